#!/usr/bin/env bash
# Builds everything that a release has, into one folder, with checksums, software bills of materials and a signature:
#
#   deploy/release.sh FOLDER [--sign openssl:KEY.pem | --sign minisign:KEY | --sign gpg:KEYID] [--parts debs,nuget,desktop,sbom]
#
# debs      edge-runtime and edge-quantize for linux-arm64, linux-x64 and linux-x64-v2, and the add-on for Home Assistant with them
# nuget     the packages Edge.Inference and Edge.Streams, and the .NET tool Edge.Quantize
# desktop   edge-quantize as one program for win-x64 and osx-arm64
# sbom      CycloneDX, one file for each program and package, and one for the page
#
# SHA256SUMS lists all files; its signature is SHA256SUMS.sig (openssl), .minisig or .asc. The tree must have no changes that are not committed.
set -euo pipefail
fail() { echo "$1" >&2; exit "${2-1}"; }
parts=debs,nuget,desktop,sbom
sign=
folder=
while [ $# -gt 0 ]; do
  case $1 in
    --sign | --parts) [ $# -ge 2 ] || fail "$1 needs a value. See the head of $0." 2
      if [ "$1" = --sign ]; then sign=$2; else parts=$2; fi
      shift 2 ;;
    -*) fail "Unknown option $1. See the head of $0." 2 ;;
    *) [ -z "$folder" ] || fail "Name one folder, not '$folder' and '$1'." 2
      folder=$1; shift ;;
  esac
done
[ -n "$folder" ] || fail "Name a folder: $0 FOLDER" 2
key=${sign#*:}
case $sign in
  '') ;;
  openssl:* | minisign:*) [ -f "$key" ] || fail "There is no key '$key'."
    key=$(realpath "$key") ;;
  gpg:*) ;;
  *) fail "--sign is openssl:KEY.pem, minisign:KEY or gpg:KEYID, not '$sign'." 2 ;;
esac
for part in ${parts//,/ }; do
  case $part in debs | nuget | desktop | sbom) ;; *) fail "Unknown part '$part': debs, nuget, desktop or sbom." 2 ;; esac
done
wanted() { case ,$parts, in *,"$1",*) ;; *) return 1 ;; esac; }
need() { command -v "$1" >/dev/null || fail "$1 is missing. On Debian and Ubuntu: sudo apt-get install $2"; }
need dotnet dotnet-sdk-10.0
{ ! wanted desktop && ! wanted debs; } || need zip zip
! wanted sbom || need npm npm
[ -z "$sign" ] || need "${sign%%:*}" "${sign%%:*}"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ -z "$(ls -A "$folder")" ] || fail "'$folder' is not empty. Name another, so that no old file gets into the release."
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -z "$(git status --porcelain)" ] || fail "There are changes that are not committed: a release must be what a commit has."
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "== $1" >&2; }

{
  echo "edge-runtime $version, commit $(git rev-parse HEAD)"
  echo "built with .NET SDK $(dotnet --version) on $(. /etc/os-release && echo "$PRETTY_NAME"), $(uname -m)"
} >"$folder/BUILD"

if wanted debs; then
  say "Debian packages"
  rm -rf deploy/out
  deploy/build-deb.sh linux-arm64 linux-x64 linux-x64-v2
  cp deploy/out/*.deb "$folder/"
  deploy/home-assistant/make.sh "$work/addon"
  (cd "$work/addon" && zip -qrX "$folder/edge-home-assistant-$version.zip" edge_runtime)
fi

if wanted nuget; then
  say "NuGet packages"
  for project in Edge.Inference Edge.Streams Edge.Quantize; do
    dotnet pack "src/$project" -c Release -o "$folder" --nologo -v:q -m:1
  done
fi

if wanted desktop; then
  for desktop in win-x64 osx-arm64; do
    say "edge-quantize for $desktop"
    name=edge-quantize-$version-$desktop
    dotnet publish src/Edge.Quantize -p:PublishProfile=desktop -p:Desktop="$desktop" -o "$work/$name" --nologo -v:q -m:1
    cp LICENSE "$work/$name/"
    (cd "$work" && zip -qrX "$folder/$name.zip" "$name")
  done
fi

if wanted sbom; then
  say "bills of materials"
  dotnet tool restore >/dev/null
  for item in Edge.Runtime:edge-runtime:Application Edge.Quantize:edge-quantize:Application Edge.Inference:Edge.Inference:Library Edge.Streams:Edge.Streams:Library; do
    IFS=: read -r project name type <<<"$item"
    dotnet restore "src/$project" --nologo -v:q
    dotnet tool run dotnet-CycloneDX -- "src/$project/$project.csproj" -dpr -o "$folder" -fn "$name-$version.cdx.json" -F Json \
      -sn "$name" -sv "$version" -st "$type" >/dev/null
  done
  # What the page bundles; esbuild only bundles it.
  (cd src/Edge.Runtime/Web/Page && npm sbom --package-lock-only --sbom-format cyclonedx --omit dev) >"$folder/edge-page-$version.cdx.json"
fi

(cd "$folder" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >"$work/SHA256SUMS")
mv "$work/SHA256SUMS" "$folder/SHA256SUMS"
cd "$folder"
case $sign in
  openssl:*)
    openssl dgst -sha256 -sign "$key" -out SHA256SUMS.sig SHA256SUMS
    openssl pkey -in "$key" -pubout -out "$work/public.pem"
    openssl dgst -sha256 -verify "$work/public.pem" -signature SHA256SUMS.sig SHA256SUMS >&2 ;;
  minisign:*) minisign -S -s "$key" -m SHA256SUMS -t "edge-runtime $version" >&2 ;;
  gpg:*) gpg --batch --yes --local-user "$key" --armor --detach-sign SHA256SUMS && gpg --verify SHA256SUMS.asc SHA256SUMS ;;
  '') echo "Not signed: name a key with --sign." >&2 ;;
esac
sha256sum --quiet -c SHA256SUMS
ls -l "$folder" >&2
