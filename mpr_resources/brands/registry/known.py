"""How a brand file and the registry combine to the brands that are looked for. Pure: no tables here.

A brand file's brands are looked for as it says, and besides

- by the aliases that somebody gave them in the registry, and under the name that they were merged into;
- not at all where the registry excludes them.

Confirmed brands of the registry that no brand file has are looked for in every timeline. Proposed ones are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpr_resources.brands.folding import fold_key

if TYPE_CHECKING:
    from mpr_resources.brands.brand_file import Brand, BrandList


@dataclass(frozen=True)
class KnownBrand:
    """A confirmed brand of the registry.

    Attributes:
        aliases: those that somebody gave it; what only brand files say of it is not among them.
        everywhere: whether it is looked for where no brand file lists it, too.
    """

    name: str
    aliases: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    everywhere: bool = True


@dataclass(frozen=True)
class BrandKnowledge:
    """What a run has of the registry. `never`: texts that are never taken for a brand."""

    brands: tuple[KnownBrand, ...] = ()
    never: tuple[str, ...] = ()


def looked_for(listed: BrandList, known: BrandKnowledge) -> BrandList:
    """The brands that are looked for. `listed`: of the brand file; it wins where the two differ."""
    never = {fold_key(text) for text in known.never}
    renamed = {fold_key(alias): brand.name for brand in known.brands for alias in brand.aliases}
    from mpr_resources.brands.brand_file import Brand  # late: `mpr brands list` is to answer at once

    made: dict[str, Brand] = {}
    for brand in listed.brands:
        if fold_key(brand.name) in never:
            continue
        name = renamed.get(fold_key(brand.name), brand.name)
        kept = tuple(alias for alias in brand.aliases if fold_key(alias) not in never)
        texts = kept if name == brand.name else (brand.name, *kept)
        _put(made, Brand(name=name, aliases=texts, exclude=brand.exclude, logos=brand.logos, tags=brand.tags))
    owners = {fold_key(text): key for key, brand in made.items() for text in brand.texts}
    for one in known.brands:
        owner = owners.get(fold_key(one.name))
        if owner is None and not one.everywhere:
            continue
        name = made[owner].name if owner else one.name
        mine = owner or fold_key(one.name)
        aliases = tuple(alias for alias in one.aliases if owners.setdefault(fold_key(alias), mine) == mine)
        _put(made, Brand(name=name, aliases=aliases, exclude=one.exclude, tags=one.tags))
    if not known.brands and not known.never:
        return listed
    return replace(listed, brands=tuple(made.values()), never=known.never, any_logo=not listed.brands)


def added(listed: BrandList, known: BrandKnowledge) -> list[str]:
    """Names of the brands that the registry adds to those of the brand file."""
    texts = {fold_key(text) for brand in listed.brands for text in brand.texts}
    return [one.name for one in known.brands if one.everywhere and fold_key(one.name) not in texts]


def _put(made: dict[str, Brand], brand: Brand) -> None:
    """Add the brand, or what it says to the brand that is there under this name."""
    from mpr_resources.brands.brand_file import Brand

    key = fold_key(brand.name)
    before = made.get(key, Brand(name=brand.name))
    aliases = {text.casefold(): text for text in (*before.aliases, *brand.aliases)}
    aliases.pop(before.name.casefold(), None)
    own = {fold_key(text) for text in (before.name, *aliases.values())}
    exclude = dict.fromkeys(text for text in (*before.exclude, *brand.exclude) if fold_key(text) not in own)
    made[key] = Brand(
        name=before.name,
        aliases=tuple(aliases.values()),
        exclude=tuple(exclude),
        logos=tuple(dict.fromkeys(before.logos + brand.logos)),
        tags=tuple(dict.fromkeys(before.tags + brand.tags)),
    )
