"""What systemd and a container do to a process, done with mounts of its own and `setpriv`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

USER = 10001
ROOT = Path(__file__).parents[1]
_NEEDED = ("unshare", "setpriv", "mount", "ip")

_SCRIPT = r"""
set -eu
mount --make-rprivate /
for place in $READABLE; do  # the interpreter may lie below a home that only its owner enters
  above=$place
  while [ "$above" != / ]; do
    if [ "$(stat -c %a "$above" | tail -c 2)" -lt 5 ]; then
      mkdir -p /dev/shm/kept && mount --bind "$place" /dev/shm/kept
      mount -t tmpfs -o mode=755 tmpfs "$above"
      mkdir -p "$place" && mount --bind /dev/shm/kept "$place" && umount /dev/shm/kept
      break
    fi
    above=$(dirname "$above")
  done
done
mkdir -p /dev/shm/binds
number=0
for pair in $BINDS; do  # taken before anything hides them
  mkdir -p /dev/shm/binds/$number && mount --bind "${pair%%=*}" /dev/shm/binds/$number
  number=$((number + 1))
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
number=0
for pair in $BINDS; do
  target=${pair#*=}
  if [ ! -d "$target" ]; then
    above=$(dirname "$target")
    while [ ! -d "$above" ]; do above=$(dirname "$above"); done
    [ "$above" = / ] && above=/opt
    mkdir -p "$target" 2>/dev/null || { mount -t tmpfs -o mode=755 tmpfs "$above"; mkdir -p "$target"; }
  fi
  mount --bind /dev/shm/binds/$number "$target" && umount /dev/shm/binds/$number
  number=$((number + 1))
done
if [ "$STRICT" = yes ]; then
  awk '{print $5}' /proc/self/mountinfo | while read -r mounted; do
    case "$mounted" in /dev*|/proc*|/sys*|/tmp) continue;; esac
    case " $WRITABLE " in *" $mounted "*) continue;; esac
    mount -o remount,bind,ro "$mounted"
  done
fi
cd /
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs --inh-caps=-all \
  --bounding-set=-all env -i $ENVIRONMENT "$@"
"""


def why_not():
    """Why nothing can be run here; empty where it can."""
    if os.geteuid() != 0 or not all(map(shutil.which, _NEEDED)):
        return "needs root, unshare and setpriv"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "no mounts of one's own are allowed here"


def popen(command, environment, binds, *, strict):
    """Start a command as `USER`, without any right, with folders bound to places, /tmp its own.

    `strict` makes all else but these places read-only.
    """
    given = {
        "READABLE": f"{sys.base_prefix} {sys.prefix} {ROOT}",
        "BINDS": " ".join(f"{folder}={place}" for folder, place in binds.items()),
        "WRITABLE": " ".join(map(str, binds.values())),
        "STRICT": "yes" if strict else "no",
        "USER_ID": str(USER),
        "ENVIRONMENT": " ".join(f"{name}={value}" for name, value in environment.items()),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    for folder in binds:
        os.chown(folder, USER, USER)
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _SCRIPT, "sandbox", *command],
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
