from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gpu_service.errors import BadInput, PermanentError
from mpr_assets.timelines.partitions import register, registered
from mpr_assets.timelines.spec_store import load_spec
from mpr_resources.storage.keys import Keys
from tests.world import TIMELINE, World


def test_a_registered_timeline_comes_back(empty_world: World) -> None:
    assert registered(empty_world.instance) == [TIMELINE]
    assert load_spec(empty_world.storage, TIMELINE) == empty_world.spec()


def test_registering_the_same_again_changes_nothing(empty_world: World) -> None:
    before = empty_world.listing()
    register(empty_world.instance, empty_world.storage, empty_world.spec())
    assert empty_world.listing() == before
    assert registered(empty_world.instance) == [TIMELINE]


def test_another_timeline_of_the_name_is_refused_unless_it_replaces(empty_world: World) -> None:
    (chunk,) = empty_world.spec().chunks
    other = empty_world.spec().model_copy(update={"chunks": (chunk.model_copy(update={"end_ms": 1000}),)})
    with pytest.raises(BadInput, match="'match' is already registered with other chunks"):
        register(empty_world.instance, empty_world.storage, other)
    assert load_spec(empty_world.storage, TIMELINE) == empty_world.spec()
    register(empty_world.instance, empty_world.storage, other, replace=True)
    assert load_spec(empty_world.storage, TIMELINE) == other


def test_of_two_who_register_a_name_at_once_one_is_told(empty_world: World) -> None:
    def register_with(profile: str) -> str:
        try:
            register(empty_world.instance, empty_world.storage, empty_world.spec("new", profile))
        except BadInput as error:
            return str(error)
        return profile

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(register_with, ["board", "generic"]))
    kept = load_spec(empty_world.storage, "new").profile
    assert said.count(kept) == 1
    assert sum("is already registered with other chunks" in one for one in said) == 1


def test_timelines_are_sorted(empty_world: World) -> None:
    for name in ("b", "Über", "a"):
        empty_world.register(name)
    assert registered(empty_world.instance) == ["a", "b", "match", "Über"]
    assert load_spec(empty_world.storage, "Über").name == "Über"


def test_the_spec_is_stored_before_the_partition_is_added(empty_world: World) -> None:
    (empty_world.storage_folder / "timelines" / "next.json").mkdir()
    with pytest.raises(Exception, match="The storage did not"):
        empty_world.register("next")
    assert registered(empty_world.instance) == [TIMELINE]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("ghost", BadInput, "'ghost' is not registered in"),
        ("../match", BadInput, "The timeline name '../match' holds"),
        ("broken", PermanentError, "broken.json does not describe a timeline; register it again"),
    ],
    ids=["unknown", "a path", "broken"],
)
def test_what_is_no_timeline_is_named(name: str, error: type[Exception], says: str, empty_world: World) -> None:
    empty_world.storage.put(Keys.spec("broken"), b"{}")
    with pytest.raises(error, match=says):
        load_spec(empty_world.storage, name)
