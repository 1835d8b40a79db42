# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# common.sh - what the lab's scripts share: words for failures, the cache, packages, kernel modules.
# It is sourced, not run; the caller has set $self.
#
# Everything made once is kept below one folder, ${LIBVMM_LAB_CACHE:-${XDG_CACHE_HOME:-~/.cache}/libvmm}:
#   kernels/   stock kernels, by package and version    (guest-kernel)
#   images/    initramfs and disks for guests           (guest-initrd, images)
#   lab-x86/ lab-vtx/   an emulator and L1 snapshots    (lab-x86, lab-vtx)
#   lab-aarch64/ lab-riscv64-SUITE/   a kernel, a sysroot, an emulator   (lab-aarch64, lab-riscv64)
#   apt/ apt-all/   package lists of our own, when the system's do not do
# A thing is made in a folder tmp.* beside its place, under a lock, and renamed when it is whole.

: "${self:=${0##*/}}"
PATH=$PATH:/usr/sbin:/sbin
lab_cache=${LIBVMM_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libvmm}

lab_say() { printf '%s: %s\n' "$self" "$*" >&2; }
lab_die() { lab_say "$*"; exit 125; }

# The comment at the head of script $1 is its help.
lab_usage() { awk 'NR > 3 && !/^#/ { exit } NR > 3 { sub(/^# ?/, ""); print }' "$1"; }

lab_need() {	# COMMAND...
	local c missing=
	for c; do command -v "$c" >/dev/null || missing+=" $c"; done
	[ -z "$missing" ] || lab_die "missing:$missing (scripts/install-deps --test installs what the labs need)"
}

# lab_lock NAME, lab_unlock: one process at a time makes things below $lab_cache/NAME.
lab_lock() { mkdir -p "$lab_cache/$1" && exec 9> "$lab_cache/$1/lock" && flock 9 || lab_die "cannot lock $lab_cache/$1"; }
lab_unlock() { exec 9>&-; }

# ---- packages: apt-get and apt-cache as any user, without a change to the system ----
lab_apt_opts=(-qq -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::http::Timeout=30)
lab_apt() { local tool=$1; shift; "$tool" "${lab_apt_opts[@]}" "$@"; }

# Lists of our own, fetched now.  An optional file names the sources to use instead of the system's.
lab_apt_own_lists() {	# FOLDER [SOURCES]
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	lab_apt_opts+=(-o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1/cache")
	[ -z "${2-}" ] || lab_apt_opts+=(-o "Dir::Etc::sourcelist=$2" -o Dir::Etc::sourceparts=/dev/null)
	local i
	for i in 2 5 0; do
		lab_apt apt-get update >&2 && return
		sleep $i
	done
	return 1
}

# The address of the archive this release comes from, as apt is configured.
lab_apt_archive() {
	local code; code=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk -v c="$code" '$2 == c && $3 == "main" { print $1; exit }'
}

# All parts of this release, as sources.list has them: those for security have their place beside the archive.
lab_apt_sources() {
	local code uri key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
	code=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
	uri=$(lab_apt_archive); uri=${uri%/}
	[ -n "$code" ] && [ -n "$uri" ] || return 1
	printf '%s\n' "deb $key $uri $code main" "deb $key $uri $code-updates main" "deb $key $uri-security $code-security main"
}

# ---- kernel modules, as an initramfs wants them ----
# lab_modules KERNEL-FOLDER OUT MODULE...: put the modules and all they depend on into OUT.  OUT/order holds their file
# names in the order of loading; OUT/depends has for each MODULE a line of its name and the files it needs, itself last
# (none when it is built in).  A module that the kernel lacks is left out and named on stdout.
# Signature, debug data and BTF are cut off: checking a signature takes an emulated processor up to a second.
lab_modules() {
	local k=$1 out=$2 v m op f b needs; shift 2
	v=$(cat "$k/version")
	mkdir -p "$out"; : > "$out/order"; : > "$out/depends"
	for m; do
		modprobe -d "$k" -S "$v" --show-depends "$m" > "$out/list" 2>/dev/null || { echo "$m"; continue; }
		needs=
		while read -r op f _; do
			[ "$op" = insmod ] || continue
			b=${f##*/}; b=${b%%.ko*}.ko
			needs+=" $b"
			! grep -qx "$b" "$out/order" || continue
			case $f in *.xz) xz -dc "$f";; *.zst) zstd -dcq "$f";; *) cat "$f";; esac > "$out/$b"
			"${OBJCOPY:-objcopy}" -g -R .BTF "$out/$b" || return 1
			echo "$b" >> "$out/order"
		done < "$out/list"
		echo "$m$needs" >> "$out/depends"
	done
	rm -f "$out/list"
}
