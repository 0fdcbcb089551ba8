#!/bin/bash
# Unpacks a MySQL server of Debian unstable into a folder: the system is not touched, and no root is needed. apt checks the
# packages as it does its own. About 50 MB to fetch, 160 MB unpacked; once per machine.
#   fetch-mysql.sh FOLDER
set -euo pipefail
home=$1
exec 9>"$home.lock"
flock 9
[ -x "$home/root/usr/sbin/mysqld" ] && exit 0

work=$home.new
rm -rf "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root}
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 '/debian/$')
echo "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
# As the user who asks: apt otherwise becomes _apt, who cannot write here
apt=(-qq -o APT::Sandbox::User="$(id -un)" -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State::Lists="$work/lists"
  -o Dir::Cache="$work/cache" -o Dir::State::status=/dev/null -o Acquire::Languages=none -o Acquire::Retries=1
  -o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
apt-get "${apt[@]}" update --error-on=any

# What the server itself links to; curl, FIDO, Kerberos, MeCab and Perl are of plugins and scripts
direct=$(apt-cache "${apt[@]}" depends --important mysql-server-core |
  sed -n 's/^ *Depends: \([a-z0-9.+-]*\)$/\1/p' | grep -vE '^(libcurl|libfido|libmecab|libtirpc|perl)')
all=$(apt-cache "${apt[@]}" depends --recurse --important $direct | grep '^[a-z]' |
  grep -vE '^(gcc-.*-base|libc-gconv|openssl-provider|libtirpc-common)' | sort -u)
(cd "$work/debs" && apt-get "${apt[@]}" download mysql-server-core $all)
for deb in "$work"/debs/*.deb; do
  dpkg --fsys-tarfile "$deb" | tar -x -C "$work/root" --no-same-owner --exclude='./usr/share/doc*' \
    --exclude='./usr/share/man*' --exclude='./usr/bin/*' --exclude='./usr/lib/*/gconv*'
done
mkdir -p "$home"
mv "$work/root" "$home/root"
rm -rf "$work"
