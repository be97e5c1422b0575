"""What must be true of a model's files before anything is computed with them."""

from typing import Literal, get_args

from pydantic import Field

from aios.records.base import Record

__all__ = ["PROTECTIONS", "Attestation", "Protection", "ProtectionName"]

ProtectionName = Literal["encrypted", "signed", "attested"]
PROTECTIONS: tuple[ProtectionName, ...] = get_args(ProtectionName)


class Protection(Record):
    """What an intent requires of the files that its service loads.

    encrypted: they lie on disk under the key that ``key`` refers to (``env:NAME``, ``file:PATH``) and are plain in
    memory alone · signed: one of the keys in the file ``verify_key`` signed what they are · attested: and the programs
    that load them. The key itself is in no record.
    """

    encrypted: bool = False
    signed: bool = False
    attested: bool = False
    key: str | None = None
    verify_key: str | None = None

    @property
    def names(self) -> tuple[ProtectionName, ...]:
        """What is required, by name."""
        return tuple(name for name in PROTECTIONS if getattr(self, name))


class Attestation(Record):
    """What somebody with a key vouches for: that these files, loaded by these programs, are as they should be.

    artefact: digest of the files' contents · recipe: what they were made of · runtime: name -> version, or sha256 of a
    file, of everything that the loading process has in memory then · made_at: ISO time, UTC · signature: base64, of the
    canonical JSON of all else
    """

    format_version: Literal["1"] = "1"
    artefact: str
    recipe: dict[str, str]
    runtime: dict[str, str]
    made_at: str
    algorithm: str
    key_id: str
    signature: str = Field(default="", exclude_if=lambda value: not value)
