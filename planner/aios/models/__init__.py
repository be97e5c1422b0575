"""From model files to profiles: what each model computes, moves and holds, per item.

Files are read by model readers, which are plugins; what they found is kept in a cache under the digest of the file, so
that planning again only hashes. Every bad model is reported, at the place where the intent names it.
"""

from aios.models.profiles import profile_models

__all__ = ["profile_models"]
