"""The store of a config, opened by a command itself: for imports, and for looking when no dialer runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dialer.cli.output import Failure
from dialer.config.store_url import make_store_directory, shown_url, sqlite_file
from dispositions import CampaignPolicy, ImportFileError, Store, journal
from dispositions.errors import DispositionsError


@contextmanager
def opened(url: str, policies: Iterable[CampaignPolicy], *, create: bool = False) -> Iterator[Store]:
    """The store with all campaigns registered. `create`: made and brought up to date when needed; otherwise one that
    is not there is a Failure. What the store refuses inside the block becomes a Failure of one line, too."""
    file = sqlite_file(url)
    if file is not None:
        if create:
            try:
                make_store_directory(url)
            except OSError as error:
                raise Failure(f"{file.parent} cannot be made: {error.strerror}", code="no_store") from None
        elif not file.is_file():
            raise Failure(f"there is no store at {file} yet; import a list or start the dialer first", code="no_store")
    try:
        store = Store(url)
        try:
            if create:
                store.migrate()
            else:
                store.check_schema()
            for policy in policies:
                store.register(policy)
            journal.keep(store)
            yield store
        finally:
            store.close()
    except ImportFileError as error:
        raise Failure(str(error), code="list") from None
    except DispositionsError as error:
        raise Failure(f"store {shown_url(url)}: {error}", code="store") from None
