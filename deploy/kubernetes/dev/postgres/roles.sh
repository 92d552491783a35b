# Run by the image once, when the database is made: the roles that services log in as, with their passwords, which psql reads
# by itself, so that they are nobody's arguments; its own is in PGPASSWORD, from the image. Everything else about the roles (schemas, rights, those that own the tables) is
# made by `clientele migrate`.
for service in identity customers messaging orders campaigns analytics; do
    psql --set ON_ERROR_STOP=1 --username postgres --dbname clientele <<SQL
\\set password \`cat /run/secrets/postgres/$service\`
create role clientele_${service}_runtime login password :'password';
SQL
done
