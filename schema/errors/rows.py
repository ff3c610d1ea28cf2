"""Refusals of a change or a read of keys, teams, users and other rows that people manage."""

from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest


class AlreadyExists(InvalidRequest):
    type = "bad_request_error"
    word = "already_exists"


class AlreadyMember(AlreadyExists):
    type = "team_member_already_in_team"
    word = "team_member_already_in_team"


class NotFound(GatewayError):
    status = 404
    type = "not_found_error"
    word = "not_found"


class Conflict(GatewayError):
    status = 409
    type = "conflict_error"
    word = "conflict"


class PreconditionFailed(Conflict):
    status = 412
    word = "precondition_failed"
