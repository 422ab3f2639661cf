"""What the tests of the deployment share: the values, and what every pod must be."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
KUBERNETES = "1.32"


def overlay(base: Any, top: Any) -> Any:
    """`top` over `base` as Helm merges values files: maps merge, null removes, the rest wins."""
    if not (isinstance(base, dict) and isinstance(top, dict)):
        return top
    merged = base | {k: overlay(base.get(k), v) for k, v in top.items()}
    return {k: v for k, v in merged.items() if v is not None}


def values(*overlays: str) -> dict[str, Any]:
    """k8s/values.yaml with values files on top."""
    merged = yaml.safe_load((K8S / "values.yaml").read_text())
    for name in overlays:
        merged = overlay(merged, yaml.safe_load((K8S / name).read_text()))
    return merged  # type: ignore[no-any-return]


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The pod spec of a workload; none of anything else."""
    template = manifest.get("spec", {}).get("template")
    return [template["spec"]] if template else []


def check_pod(pod: dict[str, Any]) -> None:
    """Fails where a pod is not restricted (Pod Security Standards) or has no requests or limits."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    volumes = [v["name"] for v in pod["volumes"]]
    assert len(volumes) == len(set(volumes))
    for volume in pod["volumes"]:
        assert {"emptyDir", "configMap"} & set(volume), "data belongs on a claim"
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}
        writable = {m["mountPath"] for m in container["volumeMounts"]}
        assert "/tmp" in writable
        assert len(writable) == len(container["volumeMounts"])


def plain_secrets(tree: Any, at: str = "") -> Iterator[str]:
    """Where a value is given in the open under a name that sounds like a secret."""
    if isinstance(tree, list):
        for i, item in enumerate(tree):
            yield from plain_secrets(item, f"{at}[{i}]")
    elif isinstance(tree, dict):
        if isinstance(tree.get("value"), str) and secret_name(str(tree.get("name", ""))):
            yield f"{at}.{tree['name']}"
        for key, value in tree.items():
            if secret_name(key) and isinstance(value, str) and value:
                yield f"{at}.{key}"
            yield from plain_secrets(value, f"{at}.{key}")


def secret_name(name: str) -> bool:
    """Whether a key of this name should hold no value in the open; names of Secrets may."""
    words = re.search(r"passw|secret|access.?key|token|webhook|credential", name, re.IGNORECASE)
    return bool(words) and not re.search("secretname$|^secretKeyRef$", name, re.IGNORECASE)
