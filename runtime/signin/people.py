"""Users from claims: finds or makes the row of a person who has signed in at a provider, and brings role and
teams up to date.

An identity is the issuer's, never the address: an address selects a row once, where an admin made the row
beforehand and nobody has signed in as it.
"""

import uuid
from typing import Any

import msgspec
from piccolo.query.functions import Lower

from functions.contract.call import MASTER_USER_ID, SCIM_USER_ID, Call, Caller
from functions.contract.policy import Policy
from functions.contract.roles import PROXY_ADMIN, Reach, Scope
from functions.contract.visit import Visit
from functions.rules.sign_in_rules import SettledRole, claimed_role, claimed_teams, settled_role
from functions.rules.team_policy import team_of_group
from functions.rules.user_policy import signed_in_first, usual_role
from runtime.governance.addresses import ADDRESS_LOCK, free_address, is_taken
from runtime.governance.team_store import TeamStore
from runtime.governance.tenancy import Predicate
from runtime.governance.user_store import UserStore
from runtime.postgres.row_codec import RowCodec
from runtime.postgres.turns import take_turn
from runtime.signin.barred import BARRED, is_barred
from schema.errors.callers import SignInFailed
from schema.identity import DirectoryGroup, Identity, SignInRules
from schema.sso_settings import SsoPreview
from schema.tables.teams import Team, TeamMembership
from schema.tables.users import User
from schema.teams import Member
from schema.users import UserRecord

IDENTITY_LOCK = 0x4944  # "ID", the first half of an advisory lock's number
EVERYTHING = Scope(reaches=frozenset({Reach.ALL}))
BY_CLAIM = "claim"
MAX_TEAMS = 200
"""The most teams that one sign-in brings a person into."""


class People:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, users: UserStore, teams: TeamStore, policy: Policy) -> None:
        self._users = users
        self._teams = teams
        self._policy = policy
        self._database = users.database
        self._codec = RowCodec(User, UserRecord)

    async def admit(self, identity: Identity, rules: SignInRules, visit: Visit) -> UserRecord:
        """The user of an identity, with the role and the teams that the claims give. The first sign-in makes
        the row. Raises SignInFailed for somebody who is kept out, by this row or by another one."""
        async with self._users.changing(call_of(visit, "")):
            await take_turn(self._database, IDENTITY_LOCK, identity.key)
            record, _ = await self._found(identity, locks=True)
            if await _is_barred(identity, record):
                raise SignInFailed(BARRED)
            if record is None:
                record = await self._make(identity, rules, visit)
            else:
                record = await self._bring_up(record, identity, rules, call_of(visit, record.user_id))
        # Teams are locked before users everywhere, so they are changed in a transaction of their own.
        await self._bring_teams_up(record, identity, rules, call_of(visit, record.user_id))
        return record

    async def preview(self, identity: Identity, rules: SignInRules) -> SsoPreview:
        """What `admit` would do. Nothing is changed."""
        async with self._database.transaction():
            record, linked_by = await self._found(identity, locks=False)
            barred = await _is_barred(identity, record)
            wanted = claimed_teams(identity, rules)
            kept = [] if record is None else await self._claimed_memberships(record.user_id)
        claimed = claimed_role(identity, rules)
        new_role = claimed
        if record is not None:
            new_role = self._settled(record, claimed, identity).role
        ids = None if wanted is None else {team_id for team_id, _ in wanted}
        return SsoPreview(
            user_id=None if record is None else record.user_id,
            linked_by=linked_by,
            role=None if record is None else record.user_role,
            role_source=None if record is None else record.role_source,
            claimed_role=claimed,
            new_role=new_role,
            joins=sorted((ids or set()) - set([] if record is None else record.teams)),
            leaves=sorted(set(kept) - ids) if ids is not None and identity.is_whole else [],
            may_sign_in=not barred,
        )

    async def _found(self, identity: Identity, *, locks: bool) -> tuple[UserRecord | None, str]:
        """The row of an identity, locked where that is asked for, and how it was found."""
        found = await self._rows(User.sso_user_id == identity.key, locks=locks)
        if found:
            return found[0], "identity"
        if identity.former_key:
            found = await self._rows(User.sso_user_id == identity.former_key, locks=locks)
            if found:
                return found[0], "former identity"
        if identity.directory_id:
            same = (User.external_id == identity.directory_id) & User.sso_user_id.is_null()
            found = await self._rows(same, locks=locks)
            if len(found) == 1:
                return found[0], "directory"
        if identity.own_email is None:
            return None, "nothing"
        if locks:
            await take_turn(self._database, ADDRESS_LOCK, identity.own_email)
        by_address: Any = Lower(User.user_email) == identity.own_email.lower()
        found = await self._rows(by_address, locks=locks)
        if len(found) == 1 and found[0].sso_user_id is None:
            return found[0], "address"
        return None, "nothing"

    async def _rows(self, condition: Predicate, *, locks: bool) -> list[UserRecord]:
        query = User.select(*self._codec.columns.values()).where(condition).limit(2)  # type: ignore[arg-type]
        return [self._codec.decode(row) for row in await (query.lock_rows("UPDATE") if locks else query)]

    async def _make(self, identity: Identity, rules: SignInRules, visit: Visit) -> UserRecord:
        """Make the row of a person who has signed in for the first time."""
        user_id = await self._free_id(identity.preferred_id)
        call = call_of(visit, user_id)
        record, teams = signed_in_first(user_id, self._policy, visit.received_at)
        claimed = claimed_role(identity, rules)
        await self._say_source("default" if claimed is None else BY_CLAIM)
        record = msgspec.structs.replace(
            record,
            user_role=claimed or record.user_role,
            sso_user_id=identity.key,
            user_email=await free_address(self._database, identity.own_email),
            user_alias=identity.name,
            pending=rules.new_users_wait,
        )
        there = [each.team_id for each in teams]
        rows = await Team.select(Team.team_id).where(Team.team_id.is_in(there)) if there else []
        known = {row["team_id"] for row in rows}
        made = await self._users.add_with(
            record,
            teams=[each for each in teams if each.team_id in known],
            organizations=(),
            key=None,
            call=call,
        )
        await self._say_source("")
        return made

    async def _bring_up(
        self, record: UserRecord, identity: Identity, rules: SignInRules, call: Call
    ) -> UserRecord:
        """Write what the sign-in changes of a row: the identity, the address, the role."""
        changes: dict[str, object] = {}
        if record.sso_user_id != identity.key:
            changes["sso_user_id"] = identity.key
        own = identity.own_email
        address = None if own is None or await is_taken(own, user_id=record.user_id) else own
        if address is not None and address != record.user_email:
            changes["user_email"] = address
        if record.user_alias is None and identity.name is not None:
            changes["user_alias"] = identity.name
        settled = self._settled(record, claimed_role(identity, rules), identity)
        if settled.differing != record.claimed_role:
            changes["claimed_role"] = settled.differing
        if settled.role is not None:
            changes["user_role"] = settled.role
        if not changes:
            return record
        await self._say_source(BY_CLAIM)
        after = await self._users.change(record.user_id, changes, call=call)
        await self._say_source("")
        return after or record

    def _settled(self, record: UserRecord, claimed: str | None, identity: Identity) -> SettledRole:
        """A role that claims gave goes where they give none any more."""
        usual = usual_role(self._policy) if identity.is_whole else None
        return settled_role(record.user_role, record.role_source, claimed, by=BY_CLAIM, usual=usual)

    async def _bring_teams_up(
        self, record: UserRecord, identity: Identity, rules: SignInRules, call: Call
    ) -> None:
        """Make the memberships that come from claims those of the groups. Memberships that somebody made by
        hand stay."""
        wanted = claimed_teams(identity, rules)
        if wanted is None:
            return
        async with self._users.changing(call):
            names = dict(wanted[:MAX_TEAMS])
            kept = await self._claimed_memberships(record.user_id)
            await self._teams.lock(Team.team_id.is_in(sorted({*names, *kept}) or [""]))
            inside = await self._memberships(record.user_id)
            member = Member(user_id=record.user_id)
            for team_id in sorted(set(kept) - names.keys()) if identity.is_whole else ():
                await self._teams.remove_member(team_id, member, call=call)
            for team_id in sorted(names.keys() - inside):
                team = await Team.select(Team.external_id).where(Team.team_id == team_id).first()
                is_mapped = team_id in rules.teams.groups.values()
                if team is not None and not is_mapped and team["external_id"] != names[team_id].id:
                    continue  # somebody's team has the group's id by chance, or by somebody's choice
                if team is None:
                    if not rules.teams.creates:
                        continue
                    await self._make_team(team_id, names[team_id], call)
                await self._teams.add_members(
                    team_id, [member], changes={"source": BY_CLAIM}, limits=None, call=call
                )

    async def _make_team(self, team_id: str, group: DirectoryGroup, call: Call) -> None:
        record, limits = team_of_group(
            team_id, name=group.name, external_id=group.id, policy=self._policy, now=call.received_at
        )
        await self._teams.add_with(record, members=(), member_limits=limits, call=call)

    async def _memberships(self, user_id: str) -> set[str]:
        rows = await TeamMembership.select(TeamMembership.team_id).where(TeamMembership.user_id == user_id)
        return {row["team_id"] for row in rows}

    async def _claimed_memberships(self, user_id: str) -> list[str]:
        rows = await TeamMembership.select(TeamMembership.team_id).where(
            (TeamMembership.user_id == user_id) & (TeamMembership.source == BY_CLAIM)
        )
        return [row["team_id"] for row in rows]

    async def _free_id(self, preferred: str | None) -> str:
        """The id of a new row: the one that the settings ask for, where nobody has it."""
        if not preferred or preferred.startswith("sql:") or preferred in (MASTER_USER_ID, SCIM_USER_ID):
            return str(uuid.uuid4())
        taken = await User.exists().where(User.user_id == preferred)
        return str(uuid.uuid4()) if taken else preferred

    async def _say_source(self, source: str) -> None:
        """Tell the trigger where roles come from, in the transaction under way. Empty: from an admin."""
        transaction = self._database.engine.current_transaction.get()
        assert transaction is not None, "a role is written in a transaction"
        await transaction.connection.execute("SELECT set_config('switchgear.role_source', $1, true)", source)


async def _is_barred(identity: Identity, record: UserRecord | None) -> bool:
    if record is not None and (record.blocked or record.deactivated):
        return True
    return await is_barred(
        user_id="" if record is None else record.user_id,
        email=identity.email,
        identities=[key for key in (identity.key, identity.former_key) if key],
        directory_id=identity.directory_id,
    )


def call_of(visit: Visit, user_id: str) -> Call:
    """The call in whose name a sign-in changes rows: the person's own, with every row in its scope."""
    caller = Caller(role=PROXY_ADMIN, key_hash="", user_id=user_id)
    return Call(
        request_id=visit.request_id,
        received_at=visit.received_at,
        received_mono=0.0,
        caller=caller,
        scope=EVERYTHING,
        client_ip=visit.address,
        user_agent=visit.user_agent,
    )
