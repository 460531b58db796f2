"""Names that a person types: who is meant, whatever the case, and which name is near."""

from __future__ import annotations

from typing import Any

import pytest

from amocrm_warehouse.known_names import named, names_of_people, nearest, people_named

EVERYBODY: list[dict[str, Any]] = [
    {"project_id": "1001", "user_id": 1, "manager": "Анна Ким", "team": "Опт"},
    {"project_id": "1001", "user_id": 2, "manager": "Олег Шмидт", "team": "Розница"},
    {"project_id": "1002", "user_id": 3, "manager": "Анна Ким", "team": None},
]


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        ("Рознца", ["Опт", "Розница"], " Did you mean Розница?"),
        ("анна", ["Олег Шмидт", "Анна Ким"], " Did you mean Анна Ким?"),
        ("Авит", ["Авито", "Сайт"], " Did you mean Авито?"),
        ("person", ["project", "manager", "period"], ""),
        ("Радио", ["Авито", "Сайт"], ""),
    ],
)
def test_only_a_near_name_is_suggested(given: str, names: list[str], said: str) -> None:
    assert nearest(given, names) == said


def test_an_account_is_found_by_its_name_or_its_id() -> None:
    names = {"1001": "Север (1001)", "1002": "Север (1002)", "1003": "Юг", "1004": "1004"}
    rows = [{"project_id": project, "account": name} for project, name in names.items()]
    for given in ("1001", "север (1001)"):
        assert named("account", given, rows, ("project_id", "account")) == rows[:1]
    with pytest.raises(ValueError, match="There is no account “%”"):
        named("account", "%", rows, ("project_id", "account"))
    with pytest.raises(ValueError, match="Several have the account") as refused:
        named("account", "Север", rows, ("project_id", "account"))
    assert str(refused.value) == (
        "Several have the account “Север”: Север (1001), Север (1002). Give the id or the whole name."
    )


@pytest.mark.parametrize(
    ("teams", "managers", "found"),
    [
        (["розница"], [], {("1001", 2)}),
        ([], ["анна ким"], {("1001", 1), ("1002", 3)}),
        ([], ["анна"], {("1001", 1), ("1002", 3)}),
        ([], ["3", "Олег Шмидт"], {("1002", 3), ("1001", 2)}),
        (["Опт", "Розница"], [], {("1001", 1), ("1001", 2)}),
        (["Опт"], ["Анна Ким"], {("1001", 1)}),
    ],
)
def test_a_team_and_a_manager_mean_who_is_both(
    teams: list[str], managers: list[str], found: set[tuple[str, int]]
) -> None:
    assert people_named(EVERYBODY, teams, managers) == found


def test_people_are_shown_by_the_names_that_amocrm_has() -> None:
    assert names_of_people(EVERYBODY, ["розница"], ["3", "олег шмидт", "АННА КИМ"]) == "Розница, Анна Ким, Олег Шмидт"


@pytest.mark.parametrize(
    ("teams", "managers", "sentence"),
    [
        (["Рознца"], [], "There is no group “Рознца”. Did you mean Розница? There are: Опт, Розница."),
        ([], ["Анна Кимм"], "There is no manager “Анна Кимм”. Did you mean Анна Ким? There are: Анна Ким, Олег Шмидт."),
        (
            ["Опт"],
            ["Олег Шмидт"],
            "Олег Шмидт is not in the group Опт, and a group and a manager together mean the manager in that group. "
            "Leave out one of them.",
        ),
    ],
)
def test_who_is_not_there_is_refused(teams: list[str], managers: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"group|manager") as caught:
        people_named(EVERYBODY, teams, managers, team="group")
    assert str(caught.value) == sentence


def test_a_refusal_lists_sixty_names() -> None:
    with pytest.raises(ValueError, match=r"There are: 0, 1, .*, 59 and 2 more\.$"):
        named("source", "x", [{"source": str(number)} for number in range(62)], ("source",))
    with pytest.raises(ValueError, match=r"^There is no source “x”\. There is none at all\.$"):
        named("source", "x", [], ("source",))
