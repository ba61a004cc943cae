"""The tree is what it says: the map, the vendored rules, and the wheel that users install."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from protovalidate._gen.buf.validate import validate_pb

import vault
from vault.buf.validate import validate_pb2

ROOT = Path(__file__).parent.parent


def test_the_map_of_the_package_names_every_layer() -> None:
    """The docstring of vault, the folders and the contract of import-linter tell one story."""
    mapped = re.findall(r"^- `(\w+)`:", vault.__doc__ or "", re.MULTILINE)
    tree = {path.stem for path in (ROOT / "vault").iterdir() if path.suffix in {"", ".py"} and path.stem[0] != "_"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    assert set(mapped) == tree
    assert tree <= set(re.findall(r"\w+", " ".join(layers)))


def test_the_vendored_rules_are_those_of_the_engine() -> None:
    """An option that the engine does not know would be a rule that nobody enforces."""
    ours = FileDescriptorProto.FromString(validate_pb2.DESCRIPTOR.serialized_pb)
    engine = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    for field in (field for message in engine.message_type for field in _fields(message)):
        field.ClearField("json_name")
    for field in engine.extension:
        field.ClearField("json_name")
    assert ours == engine


def _fields(message: DescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from message.field
    for nested in message.nested_type:
        yield from _fields(nested)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built with the locked backend and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("customer_vault-*.whl")
    return built


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    """The shipped policy, py.typed and every module; no tests, no top-level package of others."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vault").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == tree
    assert "vault/py.typed" in names
    assert any(name.endswith(".toml") for name in names)


def test_the_installed_command_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Nothing that it needs was left behind in the checkout."""
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, timeout=100)
    run = subprocess.run(
        [sys.executable, str(target / "bin" / "customer-vault"), "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "init" in run.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import vault; print(vault.__file__)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert where.stdout.strip() == str(target / "vault" / "__init__.py")
