"""What reads the recorder does so on MariaDB and on PostgreSQL too, with real servers.

The tests are those that run on SQLite elsewhere; a server that is not installed skips them.
"""

from collections.abc import Iterator
import logging

import pytest

from .databases import NAMES, Database, MissingError, running
from .test_backfill import (  # noqa: F401
    entry,
    server,
    test_companions_have_a_past_too,
    test_holes_in_the_middle_are_found_and_filled,
    test_states_of_the_recorder_fill_what_lacks,
    test_statistics_become_series_of_their_own,
)
from .test_warm_recorder import (  # noqa: F401
    past,
    test_a_mode_stands_until_the_next_one,
    test_a_state_that_is_gone_ends_it,
    test_nothing_stands_while_home_assistant_was_off,
    test_slices_make_no_difference,
    test_what_stood_before_is_known_from_the_beginning,
    test_what_was_read_again_and_again_stands_until_it_was_not,
)


@pytest.fixture(scope="module", params=NAMES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    try:
        with running(request.param) as database:
            yield database
    except MissingError as err:
        pytest.skip(str(err))


@pytest.fixture
def recorder_db_url(
    hass_fixture_setup: list[bool], socket_enabled: None, database: Database
) -> Iterator[str]:
    """Give the recorder a database of a real server, before Home Assistant is set up."""
    assert not hass_fixture_setup
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    with database.one() as url:
        yield url
