# Run by the image once, when the database is made: the roles that services log in as, with their passwords. Everything else
# about them (schemas, rights, the roles that own the tables) is made by `clientele migrate`.
for service in identity customers messaging orders campaigns analytics; do
    password=$(cat "/run/secrets/postgres/$service")
    psql --set ON_ERROR_STOP=1 --set "password=$password" --username postgres --dbname clientele <<SQL
create role clientele_${service}_runtime login password :'password';
SQL
done
