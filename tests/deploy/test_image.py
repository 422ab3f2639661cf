"""The image: built, small, and run as the pods run it, unprivileged with a read-only root."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hydro_pipeline.simulation.season import Season
from hydro_pipeline.simulation.server import StandIn
from tests.support.buckets import Bucket
from tests.support.deployment import ROOT

BASE = "docker.io/library/python:3.12-slim-bookworm"
TAG = "localhost/hydro-pipeline:test"
CERTIFICATES = Path("/etc/ssl/certs")
LIBRARIES = (
    "ca-certificates,netbase,tzdata,libbz2-1.0,libcrypt1,libexpat1,libffi8,liblzma5,"
    "libncursesw6,libnsl2,libreadline8,libsqlite3-0,libssl3,libtirpc3,libuuid1,zlib1g"
)
# Mounts are seen by the command alone: read-only root, empty /tmp, and the test's packages in /mnt.
INSIDE = """
root=$1; packages=$2; shift 2
mount --bind "$root" "$root"
mount --bind "$packages" "$root/mnt"
mount -o remount,bind,ro "$root/mnt"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec=10001:10001 "$root" "$@"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(os.geteuid() != 0, reason="building the image here takes root"),
    pytest.mark.skipif(not shutil.which("buildah"), reason="buildah is not installed"),
]


def sh(*command: str | Path, **env: str) -> str:
    """Runs a command; returns what it printed."""
    done = subprocess.run(
        [str(c) for c in command],
        env=os.environ | {"BUILDAH_ISOLATION": "chroot"} | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


def make_base(directory: Path) -> None:
    """Debian with this very Python under /usr/local, under the name of Docker's Python image."""
    root = directory / "root"
    sh("debootstrap", "--variant=minbase", f"--include={LIBRARIES}", "bookworm", root)
    for part in ("bin", "lib"):
        shutil.copytree(
            Path(sys.base_prefix) / part,
            root / "usr/local" / part,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(
                "__pycache__", "test", "config-3*", "*.a", "tkinter", "idlelib", "site-packages"
            ),
        )
    (root / "usr/local/bin/python").unlink(missing_ok=True)
    (root / "usr/local/bin/python").symlink_to("python3.12")
    clean = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/*.bin"; };\nDir::Cache::pkgcache "";\n'
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(clean)
    for part in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / part)
        (root / part).mkdir()
    sh("chroot", root, "ldconfig")
    container = sh("buildah", "from", "scratch").strip()
    sh("buildah", "add", "--quiet", container, root, "/")
    path = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    sh("buildah", "config", "--env", path, "--env", "LANG=C.UTF-8", container)
    sh("buildah", "commit", "--quiet", "--rm", container, BASE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image, built on Docker's Python image if it is here, else on a stand-in for it."""
    directory = tmp_path_factory.mktemp("image")
    if BASE not in sh("buildah", "images", "--format", "{{.Name}}:{{.Tag}}"):
        if not shutil.which("debootstrap"):
            pytest.skip(f"neither {BASE} nor debootstrap is here")
        make_base(directory)
    # Where packages come from is this machine's business: lent to the build, not in the image.
    (directory / "uv.toml").write_text("native-tls = true\n")
    (directory / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}/ca-certificates.crt\n")
    lent = {
        CERTIFICATES: CERTIFICATES,
        directory / "uv.toml": "/etc/uv/uv.toml",
        directory / "pip.conf": "/etc/pip.conf",
    }
    volumes = [f"--volume={mine}:{theirs}:ro" for mine, theirs in lent.items()]
    sh("buildah", "build", "--layers", "--network=host", *volumes, "--tag", TAG, ROOT)
    return TAG


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Path]:
    """The root file system of a container of the image."""
    name = sh("buildah", "from", image).strip()
    yield Path(sh("buildah", "mount", name).strip())
    sh("buildah", "rm", name)


def inspect(image: str) -> Any:
    """The configuration of the image."""
    return json.loads(sh("buildah", "inspect", "--type=image", image))["OCIv1"]["config"]


def run(container: Path, image: str, command: list[str], environment: dict[str, str]) -> str:
    """Runs a command as a pod does; returns what it printed."""
    config = inspect(image)
    settings = [*config["Env"], *(f"{k}={v}" for k, v in environment.items())]
    home = ["env", "--chdir=/app", "-i", *settings]
    packages = sysconfig.get_path("purelib")
    isolated = ["unshare", "--mount", "--fork", "sh", "-euc", INSIDE, "sh", str(container)]
    return sh(*isolated, packages, *home, *config["Entrypoint"], *command)


def test_image_is_small_unprivileged_and_names_no_package_index(image: str) -> None:
    (entry,) = json.loads(sh("buildah", "images", "--json", image))
    number, unit = entry["size"].split()
    # Under 1.0 GB on Docker's Python image; the stand-in for that is a little larger.
    assert float(number) * {"MB": 1, "GB": 1000}[unit] < 1100
    config = inspect(image)
    assert config["User"] == "10001:10001"
    assert "org.opencontainers.image.version" in config["Labels"]
    assert not [e for e in config["Env"] if "INDEX" in e or "://" in e]


def test_first_day_of_the_demo(
    container: Path, image: str, s3: Bucket, season: Season, tmp_path: Path
) -> None:
    with StandIn(season.directory) as catalog:
        environment = s3.environment | {"HYDRO_CATALOG": catalog.url}

        def hydro(*arguments: str) -> str:
            return run(container, image, ["hydro", *arguments], environment)

        hydro("init")
        hydro("area", "set", "demo", "--bbox=" + ",".join(map(str, season.bbox)))
        assert "FAILED" not in hydro("preflight")
        day = season.first_day.isoformat()
        assert "1 observed" in hydro("run", "demo", "--from", day, "--to", day)
    assert f"data/scenes/demo/{day}.json" in s3.keys()  # noqa: SIM118
    check = 'import sys; sys.path.append("/mnt"); from dagster_dg_cli.cli import main; main()'
    script = 'DAGSTER_HOME=$(mktemp -d) exec python -c "$1" check defs'
    said = run(container, image, ["sh", "-c", script, "sh", check], environment)
    assert "All definitions loaded successfully" in said


def test_nothing_but_tmp_can_be_written(container: Path, image: str) -> None:
    script = (
        "id -u; for d in / /app /opt /opt/venv /tmp; do touch $d/x 2>/dev/null && echo $d; done"
    )
    assert run(container, image, ["sh", "-c", script], {}).split() == ["10001", "/tmp"]
