#!/bin/sh
# Prints the Secrets of the dev overlay: an authority with a certificate for each part, passwords, the master key. To be run once:
#
#     sh deploy/kubernetes/dev/secrets.sh | kubectl create -f -
#
# `create`, as it refuses to replace what is there: with another master key nothing sealed under the first one opens.
# If some were there already, delete all of them and begin again: they fit each other. Needs openssl. What it writes to a folder of
# its own is gone when it ends; nothing is printed unless everything could be made.
set -eu
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder"

days=825
services="identity customers messaging orders campaigns analytics"

password() { openssl rand -hex 24 | tr -d '\n' > "$1"; }

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# certificate NAME: for the Service clientele-NAME, in NAME.crt and NAME.key
certificate() {
    key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=clientele-$1" -out "$1.csr"
    cat > "$1.ext" <<EXT
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:clientele-$1, DNS:clientele-$1.clientele-dev, DNS:clientele-$1.clientele-dev.svc, DNS:clientele-$1.clientele-dev.svc.cluster.local, DNS:localhost
EXT
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -sha256 -extfile "$1.ext" \
        -out "$1.crt" 2> openssl.log || { cat openssl.log >&2; exit 1; }
}

# secret NAME KEY=FILE...: adds a Secret to what is printed at the end
secret() { print "$@" >> secrets.yaml; }

print() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: clientele-dev\n' "$1"
    printf '  labels:\n    app.kubernetes.io/part-of: clientele\ntype: Opaque\ndata:\n'
    shift
    for pair in "$@"; do
        printf '  %s: %s\n' "${pair%%=*}" "$(openssl base64 -A -in "${pair#*=}")"
    done
}

# database ROLE PASSWORD-FILE: the address of the database for a role
database() {
    printf 'postgres://%s:%s@clientele-postgres:5432/clientele?sslmode=verify-full&sslrootcert=%s' \
        "$1" "$(cat "$2")" /run/secrets/clientele/authority/ca.crt
}

key ca.key
openssl req -x509 -new -key ca.key -sha256 -days "$days" -subj "/CN=Clientele dev" -out ca.crt \
    -addext "basicConstraints = critical, CA:true" -addext "keyUsage = critical, keyCertSign, cRLSign"
secret clientele-authority ca.crt=ca.crt
for name in $services gateway postgres nats; do
    certificate "$name"
    secret "clientele-tls-$name" "tls.crt=$name.crt" "tls.key=$name.key"
done

openssl rand -base64 32 | tr -d '\n' > master-key
secret clientele-master-key master-key=master-key

password postgres
passwords="postgres=postgres"
nats=""
credentials=""
for name in $services gateway; do
    password "bus-$name"
    nats="$nats $(echo "$name" | tr a-z A-Z)_PASSWORD=bus-$name"
    files="bus-password=bus-$name"
    if [ "$name" != identity ]; then
        password "service-$name"
        credentials="$credentials $name-secret=service-$name"
        files="$files service-secret=service-$name"
    fi
    if [ "$name" != gateway ]; then
        password "database-$name"
        passwords="$passwords $name=database-$name"
        database "clientele_${name}_runtime" "database-$name" > "url-$name"
        files="$files database-url=url-$name"
    fi
    # shellcheck disable=SC2086
    secret "clientele-own-$name" $files
done

password bus-migrate
database postgres postgres > url-migrate
secret clientele-migrate database-url=url-migrate bus-password=bus-migrate
# shellcheck disable=SC2086
secret clientele-postgres $passwords
# shellcheck disable=SC2086
secret clientele-nats $nats MIGRATE_PASSWORD=bus-migrate
password administrator
# shellcheck disable=SC2086
secret clientele-identity-secrets administrator-password=administrator $credentials
cat secrets.yaml
