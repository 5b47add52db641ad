#!/bin/sh
# Becomes PID 1 of a guest in fresh namespaces: a root of its own made from the host's /usr or another one.
# Usage: guest.sh ROOT BIN UNITS WHAT USR   (WHAT: ours, tools or reference; run by `unshare`, see guest.rs)
set -eu
root=$1 bin=$2 units=$3 what=$4 usr=$5
mount -t tmpfs -o mode=755 guest "$root"
cd "$root"
mkdir -p usr etc run tmp var/lib var/log var/tmp home/core root opt/garboard mnt proc sys dev old
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
mount --rbind "$usr" usr
# a release that was only unpacked lacks what maintainer scripts make
mkdir -p usr/local
chmod 1777 tmp var/tmp
# what outlives the guest
mount --bind "$root-share" mnt

# units: a writable folder instead of the host's
mount -t tmpfs -o mode=755 lib usr/lib/systemd
mount -t tmpfs -o mode=755 local usr/local
mkdir -p usr/lib/systemd/system usr/local/bin usr/local/sbin usr/lib/systemd/system-preset

# the cache of libraries is true for the host's own only
[ "$usr" != /usr ] || cp -a /etc/ld.so.cache etc/
for file in passwd group nsswitch.conf ld.so.conf ld.so.conf.d alternatives localtime profile bash.bashrc; do
    [ -e "/etc/$file" ] && cp -a "/etc/$file" etc/
done
sed -i '/^core:/d;/:1000:/d' etc/passwd etc/group
echo 'core:x:1000:1000:CoreOS:/home/core:/bin/bash' >>etc/passwd
echo 'core:x:1000:' >>etc/group
grep -q '^systemd-journal:' etc/group || echo 'systemd-journal:x:190:' >>etc/group
chown 1000:1000 home/core
echo coreos >etc/hostname
echo '127.0.0.1 localhost coreos' >etc/hosts
tr -dc 0-9a-f </dev/urandom | head -c 32 >etc/machine-id || true
echo >>etc/machine-id
mkdir -p etc/systemd/system var/log/journal
: >etc/environment
echo 'PRETTY_NAME="Garboard guest"' >etc/os-release
printf '[Manager]\nStatusUnitFormat=combined\n' >etc/systemd/system.conf

mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec,ro sys sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid dev dev
for node in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    mknod -m 666 "dev/${node% *}" c 1 "${node#* }"
done
mknod -m 666 dev/tty c 5 0
mkdir -p dev/pts dev/shm
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
: >mnt/console
ln -s /mnt/console dev/console
mount -t tmpfs -o mode=755,nosuid,nodev run run
mkdir -p run/systemd/system

if [ "$what" = reference ]; then
    umount usr/lib/systemd
    mount -t tmpfs -o mode=755 lib usr/lib/systemd/system
    cp -a "$usr/lib/systemd/system/." usr/lib/systemd/system/
    for unit in console-getty.service systemd-modules-load.service systemd-udevd.service; do
        ln -sf /dev/null "etc/systemd/system/$unit"
    done
    start=/usr/lib/systemd/systemd
else
    mount --bind "$bin" opt/garboard
    cp -a "$units"/. usr/lib/systemd/system/
    if [ "$what" = ours ]; then
        for tool in systemctl journalctl systemd-notify systemd-analyze systemd-run systemd-escape; do
            ln -s /opt/garboard/tools "usr/local/bin/$tool"
        done
    fi
    ln -s /opt/garboard/systemd-journald usr/lib/systemd/systemd-journald
    ln -sf multi-user.target usr/lib/systemd/system/default.target
    mkdir -p usr/lib/systemd/system/sysinit.target.wants
    for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
        ln -s "../$unit" "usr/lib/systemd/system/sysinit.target.wants/$unit"
    done
    start=/opt/garboard/init
fi
mkdir -p usr/local/bin
for choice in "awk mawk" "nc nc.openbsd"; do
    [ -e "usr/bin/${choice% *}" ] || ln -s "/usr/bin/${choice#* }" "usr/local/bin/${choice% *}"
done
hostname coreos
ip link set lo up 2>/dev/null || true
mount --make-rprivate /
pivot_root . old
cd /
umount -l /old
exec env -i --default-signal container=garboard PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$start" \
    </dev/null >>/mnt/console 2>&1
