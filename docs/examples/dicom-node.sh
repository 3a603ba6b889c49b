#!/usr/bin/env bash
# Between DCMTK's storescp and `consilium serve`: one study in, its DICOM Segmentation and RT Structure Set back to the PACS.
#
#   storescp -od spool -ss study -tos 10 -xcs "bash dicom-node.sh #p" 11112
#
# storescp takes studies from the scanner or the PACS, and calls this for each once ten seconds brought nothing more. The
# study's folder is removed when it was sent on. Set in the environment:
#   CONSILIUM_URL    such as http://127.0.0.1:8443
#   CONSILIUM_TOKEN  the file with the service's token
#   PACS             host, port and AE title of where results go, such as "pacs.example 104 PACS"
set -euo pipefail
study=$1
jobs="$CONSILIUM_URL/v1/jobs"
work=$(mktemp -d)
trap 'rm -rf "$work" "$study"' EXIT

# The token goes by a file that only this user can read, not by the list of processes.
(umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$(tr -d '\n' <"$CONSILIUM_TOKEN")" >"$work/curl")
call() { curl --silent --show-error --fail-with-body --config "$work/curl" "$@"; }

job=$(call --data '{"kind": "dicom"}' "$jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
trap 'call --request DELETE "$jobs/$job" || true; rm -rf "$work" "$study"' EXIT
number=0
find "$study" -type f -print0 | while IFS= read -r -d '' file; do
  number=$((number + 1))
  call --upload-file "$file" "$jobs/$job/files/IM$number"
done
call --request POST "$jobs/$job/start" >/dev/null

for _ in $(seq 1 1440); do # two hours
  state=$(call "$jobs/$job")
  case $state in
    *'"state":"done"'*) break ;;
    *'"state":"failed"'*) echo "$state" >&2 && exit 1 ;;
  esac
  sleep 5
done
for name in segmentation structures; do
  call --output "$work/$name.dcm" "$jobs/$job/results/$name.dcm"
done
# shellcheck disable=SC2086
set -- $PACS
storescu -aec "$3" "$1" "$2" "$work/segmentation.dcm" "$work/structures.dcm"
