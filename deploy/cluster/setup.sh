#!/usr/bin/env bash
# Creates the secrets for deploy/cluster/compose.yaml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ -e .env ]; then
  echo "deploy/cluster/.env exists; remove it to make new secrets." >&2
  exit 0
fi
umask 077
mkdir -p secrets models
chmod 0755 models
rabbit=$(openssl rand -hex 16)
printf '%s' "$rabbit" >secrets/rabbitmq-password
openssl rand -hex 16 | tr -d '\n' >secrets/postgresql-password
printf 'RABBITMQ_COOKIE=%s\nRABBITMQ_PASSWORD=%s\n' "$(openssl rand -hex 16)" "$rabbit" >.env

# Workers and the database run as users of their own inside their containers.
chmod 0711 secrets
chmod 0444 secrets/*
echo "Devices publish to port 1883 as user edge with the password in deploy/cluster/secrets/rabbitmq-password."
