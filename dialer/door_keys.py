"""The tokens of the HTTP door, from the checked config: the supervisor's, the agents', the projects'."""

from __future__ import annotations

import secrets
from pathlib import Path

from dialer.config.build import Built
from dialer.config.membership import may_serve
from dialer.web import Tokens
from dialer.web.tokens import Project


def make_tokens(built: Built) -> Tokens:
    """Raises ValueError for tokens that are too short or somebody else's too."""
    return Tokens(*token_texts(built))


def check_tokens(built: Built) -> None:
    """The same, for a reload that may still be refused."""
    make_tokens(built)


def token_texts(built: Built) -> tuple[str, dict[str, str], dict[str, tuple[str, Project]]]:
    """As `Tokens` takes them."""
    agents = {name: token.reveal() for name, token in built.agent_tokens.items()}
    projects = {name: (token.reveal(), project_of(built, name)) for name, token in built.project_tokens.items()}
    return _supervisor_token(built), agents, projects


def project_of(built: Built, name: str) -> Project:
    """What a project's token opens. Its agents are those who may log in to no campaign of another project."""
    table = built.file.tokens[name]
    campaigns = frozenset(table.campaigns)
    agents = frozenset(agent for agent in built.file.agents if _campaigns_of(built, agent) <= campaigns)
    own = (built.file.campaigns[campaign].project for campaign in campaigns)
    marks = frozenset(project for project in own if project is not None)
    return Project(name, campaigns, frozenset(table.may), agents, marks)


def _campaigns_of(built: Built, agent: str) -> frozenset[str]:
    """Where the agent may log in."""
    table = built.file.agents[agent]
    found = (name for name, campaign in built.file.campaigns.items() if may_serve(agent, table, name, campaign))
    return frozenset(found) or frozenset(("",))


def _supervisor_token(built: Built) -> str:
    """The configured token, or the one in the file beside the store, made at the first start (readable by its owner
    only).
    """
    if built.supervisor_token is not None:
        return built.supervisor_token.reveal()
    path = Path(built.token_path)
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if found:
        return found
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    # aside, then renamed: whoever dies in between leaves no empty token behind
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    aside.write_text(token + "\n", encoding="ascii")
    aside.replace(path)
    return token
