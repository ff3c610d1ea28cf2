-- The tables of a new database, and the entries of the migrations that this file stands for. Later
-- migrations run after it (runtime/postgres/new_database.py). `just schema` writes this file: what changes a
-- table is a migration.

SET LOCAL check_function_bodies = false;

CREATE FUNCTION switchgear_add_counts(one bigint[], other bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS both_of(a, b, place)
$$;

CREATE FUNCTION switchgear_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION switchgear_audited_without_sealed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.before_value := switchgear_without_sealed(NEW.before_value);
    NEW.updated_values := switchgear_without_sealed(NEW.updated_values);
    RETURN NEW;
END $$;

CREATE FUNCTION switchgear_charge(kind text, id text, part text, amount numeric) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- Below zero, an amount is given back: down to zero, since the counter may have been set back meanwhile.
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE tag_name = id;
    END CASE;
END $$;

CREATE FUNCTION switchgear_charge_accounts(names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[]) RETURNS TABLE(name text, unbooked bigint, booked bigint, spent bigint, ceiling bigint, window_start timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
-- Charges, in the order of their accounts: `costs` was spent and leaves the worker's lease, which may go below
-- zero. `taken` is the part of it that was held; where that is less, workers are told if the account is overdrawn. A
-- worker that was given up, or has left, has no lease to take it from. Gives a row for each account. `unbooked` is
-- what the caller must not add to the row that holds the money spent: charges of a window that is over, and what
-- was charged already when the lease was written off. `booked` is what was spent in the window under way. `spent` is
-- all that was, where it stands in the account, and null where it stands in a row. The last three are null of an
-- account that is gone.
#variable_conflict use_column
DECLARE
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    covered bigint;
    kept bigint[] := '{}';
    rests bigint[] := '{}';
    pending bigint[] := '{}';
    told text;
    sum_of numeric;
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        pending[place] := 0;
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.epoch IS DISTINCT FROM epochs[place] THEN
            DELETE FROM "Switchgear_Lease" WHERE account = names[place] AND epoch = epochs[place]
                AND worker = workers[place];
            kept[place] := costs[place];
            rests[place] := 0;
            CONTINUE;
        END IF;
        covered := 0;
        IF EXISTS (SELECT 1 FROM "Switchgear_Worker" WHERE worker = workers[place] AND given_up_at IS NULL) THEN
            INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount)
                VALUES (names[place], epochs[place], workers[place], -costs[place])
                ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount;
            UPDATE "Switchgear_Account" SET leased = leased - costs[place] WHERE account = names[place];
        ELSE
            SELECT least(written_off, costs[place]) INTO covered FROM "Switchgear_Lease"
                WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
            covered := coalesce(covered, 0);
            UPDATE "Switchgear_Lease" SET written_off = written_off - covered
                WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
        END IF;
        kept[place] := covered;
        rests[place] := costs[place] - covered;
        IF a.kind = '' THEN
            UPDATE "Switchgear_Account" SET spent = spent + rests[place] WHERE account = names[place];
        ELSE
            pending[place] := rests[place];
        END IF;
    END LOOP;
    FOR told, sum_of IN SELECT b.n, sum(b.rest) FROM unnest(names, pending, taken, costs) AS b(n, rest, held, cost)
        GROUP BY b.n HAVING sum(b.cost) > sum(b.held)
    LOOP
        PERFORM switchgear_overdrawn(told, sum_of);
    END LOOP;
    RETURN QUERY
        SELECT b.n, sum(b.kept)::bigint, sum(b.rest)::bigint, CASE WHEN o.kind = '' THEN o.spent END, o.ceiling,
               o.window_start
        FROM unnest(names, kept, rests) AS b(n, kept, rest) LEFT JOIN "Switchgear_Account" o ON o.account = b.n
        GROUP BY b.n, o.account;
END $$;

CREATE FUNCTION switchgear_counts_of(buckets integer[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(array_agg(coalesce(calls, 0) ORDER BY place), '{}')
    FROM generate_series(0, (SELECT max(found) FROM unnest(buckets) AS found)) AS place
    LEFT JOIN (
        SELECT found, count(*) AS calls FROM unnest(buckets) AS found WHERE found IS NOT NULL GROUP BY found
    ) AS counted ON found = place
$$;

CREATE FUNCTION switchgear_daily_id(VARIADIC parts text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT left(encode(sha256(string_agg(convert_to(part, 'UTF8'), '\x00'::bytea ORDER BY place)), 'hex'), 32)
    FROM unnest(parts) WITH ORDINALITY AS named(part, place)
$$;

CREATE FUNCTION switchgear_drop_slots(me text) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- A worker that others could not see for a while knows nothing of its slots any more.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%')
        ORDER BY account FOR UPDATE;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%'
                  RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = a.leased - mine.amount FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
END $$;

CREATE FUNCTION switchgear_enter_customers(ids text[], keys text[], accounts text[], charged boolean[], most bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- Makes rows for customers that calls have named and that nobody entered, in the order of their ids. `keys` are
-- the keys that named them first: a key makes `most` rows a day (UTC). `accounts` are those of the customers' budgets.
-- One that is `charged` in this transaction is locked: the row begins with what was spent of it, and from then on the
-- row says it. Where an account is there and not charged, the customer waits for the next call that is charged to it.
#variable_conflict use_column
DECLARE
    place integer;
    since timestamp := date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC');
    at timestamp := clock_timestamp() AT TIME ZONE 'UTC';
    maker text;
    held "Switchgear_Account"%ROWTYPE;
    made bigint;
BEGIN
    FOR place IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
        maker := 'key:' || keys[place];
        SELECT count(*) INTO made FROM (SELECT 1 FROM "LiteLLM_EndUserTable"
            WHERE created_by = maker AND created_at >= since LIMIT most) AS today;
        CONTINUE WHEN made >= most;
        SELECT * INTO held FROM "Switchgear_Account" WHERE account = accounts[place];
        CONTINUE WHEN held.account IS NOT NULL AND NOT charged[place];
        INSERT INTO "LiteLLM_EndUserTable" (user_id, spend, created_at, created_by, updated_at, updated_by)
            VALUES (ids[place], coalesce(held.spent, 0) / 1e9, at, maker, at, maker) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE "Switchgear_Account" SET kind = 'customer', object_id = ids[place], spent = 0
                WHERE account = accounts[place] AND kind = '';
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION switchgear_forget_state() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
-- Deletes what belongs to a key that is deleted. A key without an id owns nothing.
BEGIN
    DELETE FROM "Switchgear_State" WHERE owner = OLD.key_id AND OLD.key_id <> '';
    RETURN NULL;
END $$;

CREATE FUNCTION switchgear_give_up(silent interval) RETURNS TABLE(worker text, name text, amount bigint)
    LANGUAGE plpgsql
    AS $$
-- Workers that have been silent for so long: what they held of budgets is charged as spent, since nobody
-- knows how much of it was. A lease below zero is booked already, and charges nothing.
#variable_conflict use_column
DECLARE
    w record;
    l record;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    FOR w IN SELECT * FROM "Switchgear_Worker"
        WHERE given_up_at IS NULL AND seen_at < clock_timestamp() - silent FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE "Switchgear_Worker" SET given_up_at = clock_timestamp() WHERE worker = w.worker;
        PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
            SELECT account FROM "Switchgear_Lease" WHERE worker = w.worker) ORDER BY account FOR UPDATE;
        FOR l IN SELECT held.account, held.epoch, held.amount, a.epoch AS current_epoch, a.kind, a.object_id,
                        a.part
            FROM "Switchgear_Lease" held JOIN "Switchgear_Account" a USING (account)
            WHERE held.worker = w.worker ORDER BY held.account
        LOOP
            UPDATE "Switchgear_Account" SET leased = leased - l.amount
                WHERE account = l.account AND epoch = l.epoch;
            IF l.account LIKE 'money:%' AND l.epoch = l.current_epoch AND l.amount > 0 THEN
                IF l.kind = '' THEN
                    UPDATE "Switchgear_Account" SET spent = spent + l.amount WHERE account = l.account;
                ELSE
                    PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.amount / 1e9);
                END IF;
                UPDATE "Switchgear_Lease" SET written_off = written_off + l.amount, amount = 0
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
                worker := w.worker; name := l.account; amount := l.amount;
                RETURN NEXT;
            ELSE
                DELETE FROM "Switchgear_Lease"
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE FUNCTION switchgear_governed() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
-- A customer that bookkeeping enters, without a budget, is announced and not audited: nobody decided it.
-- Arguments: what is announced, the column it is announced by, the columns that name the object.
DECLARE
    said text := nullif(current_setting('switchgear.actor', true), '');
    actor jsonb := coalesce(said, '{}')::jsonb;
    id_columns text[] := string_to_array(TG_ARGV[2], ',');
    same text;
    changed record;
    row_now jsonb;
    ignored text[] := ARRAY['updated_at', 'updated_by'] || CASE
        WHEN current_setting('switchgear.bookkeeping', true) = 'on'
        THEN ARRAY['spend', 'total_spend', 'budget_reset_at', 'members_with_roles', 'teams'] END;
    topics text[] := '{}';
    topic text;
    touched integer := 0;
BEGIN
    SELECT string_agg(format('o.%1$I = n.%1$I', name), ' AND ') INTO same FROM unnest(id_columns) AS name;
    FOR changed IN EXECUTE CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT NULL::jsonb AS before, to_jsonb(n) AS after FROM new_rows n'
        WHEN 'DELETE' THEN 'SELECT to_jsonb(o) AS before, NULL::jsonb AS after FROM old_rows o'
        ELSE 'SELECT to_jsonb(o) AS before, to_jsonb(n) AS after FROM old_rows o FULL JOIN new_rows n ON '
             || same
        END
    LOOP
        CONTINUE WHEN changed.before - ignored IS NOT DISTINCT FROM changed.after - ignored;
        touched := touched + 1;
        row_now := coalesce(changed.after, changed.before);
        IF TG_OP <> 'INSERT' OR TG_TABLE_NAME <> 'LiteLLM_EndUserTable' OR row_now->>'budget_id' IS NOT NULL
           OR current_setting('switchgear.bookkeeping', true) IS DISTINCT FROM 'on'
        THEN
            INSERT INTO "LiteLLM_AuditLog" (id, changed_by, changed_by_api_key, action, table_name, object_id,
                before_value, updated_values, claimed_by, source_address, request_id, database_user)
            VALUES (
                gen_random_uuid()::text,
                CASE WHEN said IS NULL THEN 'sql:' || session_user ELSE coalesce(actor->>'user_id', '') END,
                coalesce(actor->>'key_hash', ''),
                coalesce(actor->>'action', CASE
                    WHEN changed.before IS NULL THEN 'created'
                    WHEN changed.after IS NULL THEN 'deleted'
                    WHEN coalesce((changed.before->>'blocked')::boolean, false)
                         IS DISTINCT FROM coalesce((changed.after->>'blocked')::boolean, false)
                    THEN CASE WHEN (changed.after->>'blocked')::boolean THEN 'blocked' ELSE 'unblocked' END
                    ELSE 'updated' END),
                TG_TABLE_NAME,
                (SELECT string_agg(row_now->>name, ':' ORDER BY place)
                 FROM unnest(id_columns) WITH ORDINALITY AS named(name, place)),
                changed.before, changed.after,
                actor->>'claimed_by', actor->>'source_address', actor->>'request_id', session_user);
        END IF;
        IF touched <= 100 THEN
            topics := topics || (TG_ARGV[0] || ':' || (row_now->>TG_ARGV[1]));
        END IF;
    END LOOP;
    IF touched > 100 OR (touched > 0 AND TG_ARGV[0] = 'all') THEN
        topics := ARRAY['all'];
    END IF;
    FOREACH topic IN ARRAY topics LOOP
        PERFORM pg_notify('switchgear_authority', CASE WHEN octet_length(topic) > 7000 THEN 'all' ELSE topic END);
    END LOOP;
    RETURN NULL;
END $_$;

CREATE FUNCTION switchgear_key_id() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
-- A key is its own id until it is replaced.
BEGIN
    NEW.key_id := coalesce(nullif(NEW.key_id, ''), NEW.token);
    RETURN NEW;
END $$;

CREATE FUNCTION switchgear_lease(me text, lives interval, names text[], kinds text[], ids text[], parts text[], durations text[], starts timestamp with time zone[], ends timestamp with time zone[], limits bigint[], needs bigint[], asked bigint) RETURNS TABLE(name text, state text, granted bigint, epoch bigint, window_end timestamp with time zone, spent bigint, leased bigint, workers bigint, mine bigint, silent bigint, db_now timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
-- All or nothing: take `needs` from every account, and a slice where there is plenty. `names` are in
-- ascending order, in which everyone locks them. An open window stays as it is; `starts` and `ends` are
-- the caller's proposal for a new one. States: granted, or of each account what stood in the way: short,
-- window (the proposal does not hold the database's time), or enough.
-- A slice is a quarter of a worker's fair share of what is free, so that no worker starves; where that is
-- under ten calls' worth, just the need. `asked` is the ticket. A lease below zero is what another worker's
-- calls cost beyond what it had leased, booked as spent and not taken back from `leased` yet: it is no room for
-- anybody else. Where the answer is short, `mine` is what this worker has leased, and `silent` what workers have
-- that were not seen for `lives`. Whether the money spent stands in a row or in the account is the account's to
-- say: a worker that does not know yet that a customer has a row goes on with the row. An account gets a holder
-- when its owner has got a row, and loses it when the row is gone.
#variable_conflict use_column
DECLARE
    at timestamptz;
    alive bigint;
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    spents bigint[] := '{}';
    frees numeric[] := '{}';
    epochs bigint[] := '{}';
    outs bigint[] := '{}';
    states text[] := '{}';
    closes timestamptz[] := '{}';
    dead bigint;
    used bigint;
    owed bigint;
    fair bigint;
    verdict text := 'granted';
    take bigint;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me AND given_up_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this worker was given up' USING ERRCODE = 'SG001';
    END IF;
    INSERT INTO "Switchgear_Account" (account, kind, object_id, part, duration)
        SELECT * FROM unnest(names, kinds, ids, parts, durations) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    IF EXISTS (SELECT 1 FROM "Switchgear_Worker" WHERE worker = me AND fenced >= asked) THEN
        RAISE EXCEPTION 'this worker asked for something else since' USING ERRCODE = 'SG002';
    END IF;
    at := clock_timestamp();
    SELECT greatest(count(*), 1) INTO alive FROM "Switchgear_Worker"
        WHERE seen_at > at - lives AND given_up_at IS NULL;
    FOR place IN 1 .. array_length(names, 1) LOOP
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.kind = '' AND kinds[place] <> '' THEN
            a.kind := kinds[place]; a.object_id := ids[place]; a.part := parts[place]; a.spent := 0;
            UPDATE "Switchgear_Account" SET kind = a.kind, object_id = a.object_id, part = a.part, spent = 0
                WHERE account = names[place];
        ELSIF a.kind <> '' AND kinds[place] = ''
              AND switchgear_spent(a.kind, a.object_id, a.part) IS NULL THEN
            a.kind := ''; a.object_id := ''; a.part := ''; a.spent := 0;
            UPDATE "Switchgear_Account" SET kind = '', object_id = '', part = '', spent = 0
                WHERE account = names[place];
        END IF;
        IF a.duration IS DISTINCT FROM durations[place] OR a.window_end <= at
           OR (durations[place] IS NOT NULL AND a.window_end IS NULL)
        THEN
            IF durations[place] IS NULL OR (starts[place] <= at AND at < ends[place]) THEN
                IF a.window_end <= at THEN
                    a.epoch := nextval('switchgear_epoch'); a.leased := 0; a.spent := 0;
                    DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place];
                END IF;
                PERFORM switchgear_new_window(a.kind, a.object_id, a.part, ends[place],
                                              coalesce(a.window_end <= at, false));
                a.window_end := ends[place];
                UPDATE "Switchgear_Account" SET epoch = a.epoch, leased = a.leased, spent = a.spent,
                    duration = durations[place], window_start = starts[place], window_end = ends[place]
                    WHERE account = names[place];
            ELSE
                states[place] := 'window'; verdict := 'window';
            END IF;
        END IF;
        used := CASE WHEN a.kind = '' THEN a.spent
            ELSE least(ceil(coalesce(switchgear_spent(a.kind, a.object_id, a.part), 0) * 1e9), 9e18) END;
        SELECT coalesce(-sum(amount), 0) INTO owed FROM "Switchgear_Lease"
            WHERE account = names[place] AND epoch = a.epoch AND worker <> me AND amount < 0;
        IF limits[place]::numeric - used - a.leased < needs[place] AND names[place] LIKE 'parallel:%' THEN
            WITH gone AS (
                DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place] AND NOT EXISTS (
                    SELECT 1 FROM "Switchgear_Worker" w WHERE w.worker = l.worker AND w.seen_at > at - lives
                        AND w.given_up_at IS NULL)
                RETURNING amount)
            SELECT coalesce(sum(amount), 0) INTO dead FROM gone;
            a.leased := a.leased - dead;
            UPDATE "Switchgear_Account" SET leased = a.leased WHERE account = names[place];
        END IF;
        frees[place] := limits[place]::numeric - used - a.leased - owed;
        IF states[place] IS NULL THEN
            states[place] := CASE WHEN frees[place] < needs[place] THEN 'short' ELSE 'enough' END;
        END IF;
        IF states[place] = 'short' AND verdict = 'granted' THEN verdict := 'short'; END IF;
        spents[place] := used; epochs[place] := a.epoch; outs[place] := a.leased + owed; closes[place] := a.window_end;
    END LOOP;
    FOR place IN 1 .. array_length(names, 1) LOOP
        take := 0;
        IF verdict = 'granted' THEN
            fair := trunc(frees[place] / (4 * alive));
            take := CASE WHEN fair >= 10 * needs[place]::numeric AND needs[place] > 0 THEN fair
                ELSE needs[place] END;
            UPDATE "Switchgear_Account" SET leased = leased + take, ceiling = limits[place]
                WHERE account = names[place];
            IF take > 0 AND names[place] ~ '^(money|parallel):' THEN
                INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount, ticket, granted)
                    VALUES (names[place], epochs[place], me, take, asked, take)
                    ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount,
                        ticket = excluded.ticket, granted = excluded.granted;
            END IF;
            states[place] := 'granted';
        ELSE
            SELECT coalesce(sum(amount) FILTER (WHERE l.worker = me), 0),
                   coalesce(sum(amount) FILTER (WHERE l.worker <> me AND amount > 0 AND NOT EXISTS (
                       SELECT 1 FROM "Switchgear_Worker" w WHERE w.worker = l.worker AND w.seen_at > at - lives)), 0)
                INTO mine, silent
                FROM "Switchgear_Lease" l WHERE l.account = names[place] AND l.epoch = epochs[place];
        END IF;
        name := names[place]; state := states[place]; granted := take; epoch := epochs[place];
        window_end := closes[place]; spent := spents[place]; leased := outs[place]; workers := alive;
        db_now := at;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION switchgear_leave(me text) RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout TO '300ms'
    AS $$
-- A worker that has booked every call signs off: whatever is still in its name goes back, also what was
-- written off and then not booked, since it was never spent (down to zero: somebody may have set what was spent
-- to zero meanwhile). A lease below zero goes back too: it is what calls
-- cost beyond what was leased, and it was booked. Who calls this has settled before, and so holds
-- locks that the order of accounts would have put after these: it waits for less long than it takes Postgres to
-- look for a deadlock, so that it gives way and not a call.
#variable_conflict use_column
DECLARE
    l record;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me FOR UPDATE;
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me) ORDER BY account FOR UPDATE;
    FOR l IN SELECT a.account, a.kind, a.object_id, a.part, held.written_off
        FROM "Switchgear_Lease" held JOIN "Switchgear_Account" a USING (account, epoch)
        WHERE held.worker = me AND held.written_off > 0
        ORDER BY array_position('{organization,team,user,member,key,customer}'::text[], a.kind), a.object_id, a.part
    LOOP
        IF l.kind = '' THEN
            UPDATE "Switchgear_Account" SET spent = greatest(least(spent, 0), spent - l.written_off)
                WHERE account = l.account;
        ELSE
            PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.written_off / -1e9);
        END IF;
    END LOOP;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = a.leased - mine.amount FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
    DELETE FROM "Switchgear_Worker" WHERE worker = me;
END $$;

CREATE FUNCTION switchgear_members() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
-- The columns in which LiteLLM's users look for members. The team's row is locked first, so that the
-- statement after it sees every membership that was committed before.
DECLARE
    before text := current_setting('switchgear.bookkeeping', true);
    team text := CASE WHEN TG_OP = 'DELETE' THEN OLD.team_id ELSE NEW.team_id END;
    member text := CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "LiteLLM_TeamTable" WHERE team_id = team FOR UPDATE;
    UPDATE "LiteLLM_TeamTable" SET members_with_roles = coalesce((
        SELECT jsonb_agg(jsonb_build_object('role', m.role, 'user_id', m.user_id, 'user_email', u.user_email)
                         ORDER BY m.created_at, m.user_id)
        FROM "LiteLLM_TeamMembership" m LEFT JOIN "LiteLLM_UserTable" u USING (user_id)
        WHERE m.team_id = team), '[]') WHERE team_id = team;
    PERFORM 1 FROM "LiteLLM_UserTable" WHERE user_id = member FOR UPDATE;
    UPDATE "LiteLLM_UserTable" SET teams = coalesce((
        SELECT array_agg(team_id ORDER BY created_at, team_id)
        FROM "LiteLLM_TeamMembership" WHERE user_id = member), '{}') WHERE user_id = member;
    PERFORM set_config('switchgear.bookkeeping', coalesce(before, ''), true);
    RETURN NULL;
END $$;

CREATE FUNCTION switchgear_new_window(kind text, id text, part text, ends timestamp with time zone, roll boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- Write the window's end where people look, and begin at zero where one is over.
DECLARE
    closes timestamp := ends AT TIME ZONE 'UTC';
    over timestamp := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = CASE WHEN roll THEN 0 ELSE spend END WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE tag_name = id;
        ELSE NULL;
    END CASE;
END $$;

CREATE FUNCTION switchgear_overdrawn(name text, pending numeric) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- Where more is spent and leased of an account than it has, every worker returns what it has of it, and leases
-- anew before its next call. `pending` is what this transaction has yet to add to what was spent; a lease below
-- zero is not returned yet, and takes nothing off what the others have.
#variable_conflict use_column
DECLARE
    a "Switchgear_Account"%ROWTYPE;
    owed numeric;
    used numeric;
BEGIN
    SELECT * INTO a FROM "Switchgear_Account" WHERE account = name;
    SELECT coalesce(-sum(amount), 0) INTO owed FROM "Switchgear_Lease"
        WHERE account = name AND epoch = a.epoch AND amount < 0;
    used := CASE WHEN a.kind = '' THEN a.spent
        ELSE ceil(coalesce(switchgear_spent(a.kind, a.object_id, a.part), 0) * 1e9) END;
    IF a.ceiling < used + pending + a.leased + owed THEN
        PERFORM pg_notify('switchgear_overdrawn', CASE WHEN octet_length(name) > 7000 THEN 'all' ELSE name END);
    END IF;
END $$;




CREATE TABLE "LiteLLM_AccessGroupTable" (
    access_group_id text NOT NULL,
    access_group_name text NOT NULL,
    description text,
    access_model_names text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text
);

CREATE TABLE "LiteLLM_BudgetTable" (
    budget_id text NOT NULL,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text
);

CREATE TABLE "LiteLLM_DeprecatedVerificationToken" (
    token text NOT NULL,
    active_token_id text NOT NULL,
    revoke_at timestamp without time zone NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL
);

CREATE TABLE "LiteLLM_OrganizationMembership" (
    user_id text NOT NULL,
    organization_id text NOT NULL,
    user_role text,
    spend numeric DEFAULT 0 NOT NULL,
    budget_id text,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL
);

CREATE TABLE "LiteLLM_OrganizationTable" (
    organization_id text NOT NULL,
    organization_alias text NOT NULL,
    budget_id text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text
);

CREATE TABLE "LiteLLM_ProjectTable" (
    project_id text NOT NULL,
    project_alias text,
    description text,
    team_id text NOT NULL,
    budget_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text
);

CREATE TABLE "LiteLLM_TeamMembership" (
    user_id text NOT NULL,
    team_id text NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    total_spend numeric DEFAULT 0 NOT NULL,
    budget_id text,
    allowed_models text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    source text
);

CREATE TABLE "LiteLLM_TeamTable" (
    team_id text NOT NULL,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text,
    team_alias text,
    organization_id text,
    members_with_roles jsonb DEFAULT '[]'::jsonb NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    team_member_permissions text[] DEFAULT '{}'::text[] NOT NULL,
    access_group_ids text[] DEFAULT '{}'::text[] NOT NULL,
    member_budget_id text,
    external_id text,
    directory jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE "LiteLLM_UserTable" (
    user_id text NOT NULL,
    user_alias text,
    sso_user_id text,
    user_role text,
    user_email text,
    teams text[] DEFAULT '{}'::text[] NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_by text,
    updated_by text,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    role_source text,
    claimed_role text,
    pending boolean DEFAULT false NOT NULL,
    deactivated boolean DEFAULT false NOT NULL,
    external_id text,
    directory jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE "LiteLLM_VerificationToken" (
    token text NOT NULL,
    key_name text,
    key_alias text,
    spend numeric DEFAULT 0 NOT NULL,
    expires timestamp without time zone,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    user_id text,
    team_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    blocked boolean,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    key_id text DEFAULT ''::text NOT NULL,
    aliases jsonb DEFAULT '{}'::jsonb NOT NULL,
    organization_id text,
    budget_id text,
    key_type text,
    allowed_routes text[] DEFAULT '{}'::text[] NOT NULL,
    access_group_ids text[] DEFAULT '{}'::text[] NOT NULL,
    rotation_count integer DEFAULT 0 NOT NULL,
    last_rotation_at timestamp without time zone,
    project_id text
);

CREATE VIEW "Switchgear_Authority" AS
 WITH presented AS (
         SELECT "LiteLLM_VerificationToken".token AS presented,
            NULL::timestamp without time zone AS revoke_at,
            "LiteLLM_VerificationToken".token
           FROM "LiteLLM_VerificationToken"
        UNION ALL
         SELECT "LiteLLM_DeprecatedVerificationToken".token,
            "LiteLLM_DeprecatedVerificationToken".revoke_at,
            "LiteLLM_DeprecatedVerificationToken".active_token_id
           FROM "LiteLLM_DeprecatedVerificationToken"
        )
 SELECT p.presented,
    EXTRACT(epoch FROM p.revoke_at) AS revoke_at,
    EXTRACT(epoch FROM k.expires) AS expires,
    (to_jsonb(k.*) || jsonb_build_object('project', to_jsonb(pr.*))) AS key,
    to_jsonb(u.*) AS "user",
    to_jsonb(t.*) AS team,
    to_jsonb(m.*) AS member,
    to_jsonb(o.*) AS organization,
    ( SELECT jsonb_object_agg(b.budget_id, to_jsonb(b.*)) AS jsonb_object_agg
           FROM "LiteLLM_BudgetTable" b
          WHERE (b.budget_id = ANY (ARRAY[k.budget_id, m.budget_id, t.member_budget_id, o.budget_id, pr.budget_id]))) AS budgets,
    ( SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions)) AS jsonb_object_agg
           FROM ("LiteLLM_TeamMembership" own
             JOIN "LiteLLM_TeamTable" its USING (team_id))
          WHERE (own.user_id = k.user_id)) AS teams,
    ( SELECT jsonb_object_agg(own.organization_id, COALESCE(own.user_role, ''::text)) AS jsonb_object_agg
           FROM "LiteLLM_OrganizationMembership" own
          WHERE (own.user_id = k.user_id)) AS organizations,
    ( SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names)) AS jsonb_agg
           FROM "LiteLLM_AccessGroupTable" g
          WHERE ((g.access_group_id = ANY ((k.access_group_ids || t.access_group_ids))) OR (g.access_group_name = ANY ((((k.models || t.models) || u.models) || o.models))))) AS access_groups
   FROM ((((((presented p
     JOIN "LiteLLM_VerificationToken" k ON ((k.token = p.token)))
     LEFT JOIN "LiteLLM_UserTable" u ON ((u.user_id = k.user_id)))
     LEFT JOIN "LiteLLM_TeamTable" t ON ((t.team_id = k.team_id)))
     LEFT JOIN "LiteLLM_TeamMembership" m ON (((m.team_id = k.team_id) AND (m.user_id = k.user_id))))
     LEFT JOIN "LiteLLM_OrganizationTable" o ON ((o.organization_id = COALESCE(k.organization_id, t.organization_id))))
     LEFT JOIN "LiteLLM_ProjectTable" pr ON ((pr.project_id = k.project_id)));

CREATE FUNCTION switchgear_person(person text, of_team text, as_token text, as_key_id text, said text) RETURNS SETOF "Switchgear_Authority"
    LANGUAGE sql STABLE
    AS $$
-- What a person may do without a key, in the form of the authority view: a key is put together that has the
-- person, perhaps a team, and no limits of its own. `said` is the word for it in messages: session.
SELECT as_token, NULL::numeric, NULL::numeric,
       jsonb_build_object('token', as_token, 'key_id', as_key_id, 'user_id', asked.person,
                          'team_id', asked.of_team, 'noun', said),
       to_jsonb(u), to_jsonb(t), to_jsonb(m), to_jsonb(o),
       (SELECT jsonb_object_agg(b.budget_id, to_jsonb(b)) FROM "LiteLLM_BudgetTable" b
        WHERE b.budget_id IN (m.budget_id, t.member_budget_id, o.budget_id)),
       (SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions))
        FROM "LiteLLM_TeamMembership" own JOIN "LiteLLM_TeamTable" its USING (team_id)
        WHERE own.user_id = asked.person),
       (SELECT jsonb_object_agg(own.organization_id, coalesce(own.user_role, ''))
        FROM "LiteLLM_OrganizationMembership" own WHERE own.user_id = asked.person),
       (SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names))
        FROM "LiteLLM_AccessGroupTable" g
        WHERE g.access_group_id = ANY (t.access_group_ids)
           OR g.access_group_name = ANY (coalesce(t.models, '{}') || coalesce(u.models, '{}') || coalesce(o.models, '{}')))
FROM (SELECT person, of_team) AS asked (person, of_team)
LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = asked.person
LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = asked.of_team
LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = asked.of_team AND m.user_id = asked.person
LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = t.organization_id
$$;

CREATE FUNCTION switchgear_person_left() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
-- Ends the sessions of a user who may come in no more; of one who is gone, also what belongs to the person.
BEGIN
    DELETE FROM "Switchgear_Session" WHERE user_id = OLD.user_id;
    UPDATE "LiteLLM_InvitationLink" SET secret_hash = '' WHERE user_id = OLD.user_id AND secret_hash <> '';
    IF TG_OP = 'DELETE' THEN
        DELETE FROM "Switchgear_Password" WHERE user_id = OLD.user_id;
        DELETE FROM "LiteLLM_InvitationLink" WHERE user_id = OLD.user_id;
        DELETE FROM "Switchgear_State" WHERE owner = 'user:' || OLD.user_id;
        DELETE FROM "Switchgear_SavedFilter" WHERE user_id = OLD.user_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION switchgear_return(me text, asked bigint, names text[], epochs bigint[], amounts bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- Give back what was not spent: once, however often it is asked, of what has leases. Of money an amount below zero
-- is what calls cost beyond what was leased: it is charged, and workers are told if the account is overdrawn.
-- What belongs to a window that is over, or was written off, is gone.
#variable_conflict use_column
DECLARE
    place integer;
    done boolean;
BEGIN
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me AND given_up_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        PERFORM 1 FROM "Switchgear_Account" WHERE account = names[place] AND epoch = epochs[place];
        CONTINUE WHEN NOT FOUND;
        IF names[place] LIKE 'money:%' THEN
            INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount, ticket)
                VALUES (names[place], epochs[place], me, -amounts[place], asked)
                ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount,
                    ticket = excluded.ticket, granted = 0 WHERE l.ticket < excluded.ticket;
            done := FOUND;
        ELSIF names[place] LIKE 'parallel:%' THEN
            UPDATE "Switchgear_Lease" SET amount = amount - amounts[place], ticket = asked, granted = 0
                WHERE account = names[place] AND epoch = epochs[place] AND worker = me AND ticket < asked;
            done := FOUND;
        ELSE
            done := true;
        END IF;
        IF done THEN
            UPDATE "Switchgear_Account" SET leased = leased - amounts[place] WHERE account = names[place];
            IF amounts[place] < 0 THEN
                PERFORM switchgear_overdrawn(names[place], 0);
            END IF;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION switchgear_role_source() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
-- Who gave the role. An UPDATE that names the column counts also where the value stays the same.
DECLARE
    said text := nullif(current_setting('switchgear.role_source', true), '');
    by_gateway boolean := nullif(current_setting('switchgear.actor', true), '') IS NOT NULL;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.role_source := coalesce(said, NEW.role_source, CASE
            WHEN by_gateway THEN 'api' WHEN NEW.user_role IS NOT NULL THEN 'sql' ELSE 'default' END);
        RETURN NEW;
    END IF;
    NEW.role_source := coalesce(said, CASE WHEN by_gateway THEN 'api' ELSE 'sql' END);
    IF said IS NULL THEN
        NEW.pending := false;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION switchgear_session_ended() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('switchgear_authority', 'session:' || OLD.session_hash);
    RETURN NULL;
END $$;

CREATE FUNCTION switchgear_settle(names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[]) RETURNS TABLE(name text, unbooked bigint)
    LANGUAGE plpgsql
    AS $$
-- The same for servers of an earlier version: what the caller must not add, where there is any.
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT c.name, c.unbooked
        FROM switchgear_charge_accounts(names, epochs, workers, taken, costs) c WHERE c.unbooked > 0;
END $$;

CREATE FUNCTION switchgear_spent(kind text, id text, part text) RETURNS numeric
    LANGUAGE plpgsql
    AS $$
-- The dollars that stand in the table people look at; null where there is no such row.
BEGIN
    RETURN CASE kind
        WHEN 'key' THEN (SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_id = id)
        WHEN 'user' THEN (SELECT spend FROM "LiteLLM_UserTable" WHERE user_id = id)
        WHEN 'team' THEN (SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = id)
        WHEN 'member' THEN (SELECT spend FROM "LiteLLM_TeamMembership" WHERE team_id = id AND user_id = part)
        WHEN 'organization' THEN (SELECT spend FROM "LiteLLM_OrganizationTable" WHERE organization_id = id)
        WHEN 'project' THEN (SELECT spend FROM "LiteLLM_ProjectTable" WHERE project_id = id)
        WHEN 'customer' THEN (SELECT spend FROM "LiteLLM_EndUserTable" WHERE user_id = id)
        WHEN 'tag' THEN (SELECT spend FROM "LiteLLM_TagTable" WHERE tag_name = id)
    END;
END $$;

CREATE FUNCTION switchgear_truncated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO "LiteLLM_AuditLog" (id, changed_by, action, table_name, object_id, database_user)
        VALUES (gen_random_uuid()::text, 'sql:' || session_user, 'truncated', TG_TABLE_NAME, '*', session_user);
    PERFORM pg_notify('switchgear_authority', 'all');
    RETURN NULL;
END $$;

CREATE FUNCTION switchgear_undo(me text, asked bigint, names text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
-- A lease whose answer was lost: what it granted goes back; where it is still on its way, it comes to
-- nothing, since it looks for the fence when it has the accounts. Of an account that is not there yet it may be
-- the maker: so all that this worker has begun is waited for.
#variable_conflict use_column
BEGIN
    UPDATE "Switchgear_Worker" SET fenced = greatest(fenced, asked) WHERE worker = me;
    IF (SELECT count(*) FROM "Switchgear_Account" WHERE account = ANY (names)) < cardinality(names) THEN
        PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me FOR UPDATE;
    END IF;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    WITH undone AS (
        SELECT account, epoch, granted FROM "Switchgear_Lease"
        WHERE worker = me AND account = ANY (names) AND ticket = asked),
    kept AS (
        UPDATE "Switchgear_Lease" l SET amount = l.amount - undone.granted, granted = 0 FROM undone
        WHERE l.account = undone.account AND l.epoch = undone.epoch AND l.worker = me)
    UPDATE "Switchgear_Account" a SET leased = a.leased - undone.granted FROM undone
    WHERE a.account = undone.account AND a.epoch = undone.epoch;
END $$;

CREATE FUNCTION switchgear_without_sealed(given jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
-- The value with a short mark in place of each sealed text. Two marks differ where the sealed texts do.
BEGIN
    CASE jsonb_typeof(given)
        WHEN 'object' THEN
            RETURN (SELECT coalesce(jsonb_object_agg(key, switchgear_without_sealed(value)), '{}')
                    FROM jsonb_each(given));
        WHEN 'array' THEN
            RETURN (SELECT coalesce(jsonb_agg(switchgear_without_sealed(value) ORDER BY place), '[]')
                    FROM jsonb_array_elements(given) WITH ORDINALITY AS each(value, place));
        WHEN 'string' THEN
            IF given #>> '{}' LIKE 'sealed:%' THEN
                RETURN to_jsonb('(sealed ' || left(md5(given #>> '{}'), 8) || ')');
            END IF;
        ELSE NULL;
    END CASE;
    RETURN given;
END $$;

CREATE AGGREGATE switchgear_sum(bigint) (
    SFUNC = int8pl,
    STYPE = bigint,
    COMBINEFUNC = int8pl,
    PARALLEL = safe
);

CREATE TABLE "Switchgear_DailyTagSpend" (
    id text NOT NULL,
    date text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    cache_read_input_tokens bigint DEFAULT 0 NOT NULL,
    cache_creation_input_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    api_requests bigint DEFAULT 0 NOT NULL,
    successful_requests bigint DEFAULT 0 NOT NULL,
    failed_requests bigint DEFAULT 0 NOT NULL,
    refused_requests bigint DEFAULT 0 NOT NULL,
    uncertain_requests bigint DEFAULT 0 NOT NULL,
    uncertain_spend numeric DEFAULT 0 NOT NULL,
    total_response_time_ms bigint DEFAULT 0 NOT NULL,
    timed_requests bigint DEFAULT 0 NOT NULL,
    total_ttft_ms bigint DEFAULT 0 NOT NULL,
    ttft_requests bigint DEFAULT 0 NOT NULL,
    rate_limited_requests bigint DEFAULT 0 NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    team_id text DEFAULT ''::text NOT NULL,
    organization_id text DEFAULT ''::text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    custom_llm_provider text DEFAULT ''::text NOT NULL,
    endpoint text DEFAULT ''::text NOT NULL,
    tag text NOT NULL,
    cache_hit_requests bigint DEFAULT 0 NOT NULL,
    cache_hit_output_tokens bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

CREATE VIEW "DailyTagSpend" AS
 SELECT tag AS individual_request_tag,
    (date)::date AS spend_date,
    (sum(api_requests))::bigint AS log_count,
    sum(spend) AS total_spend
   FROM "Switchgear_DailyTagSpend"
  GROUP BY tag, (date)::date;

CREATE TABLE "Switchgear_DailySpend" (
    id text NOT NULL,
    date text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    cache_read_input_tokens bigint DEFAULT 0 NOT NULL,
    cache_creation_input_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    api_requests bigint DEFAULT 0 NOT NULL,
    successful_requests bigint DEFAULT 0 NOT NULL,
    failed_requests bigint DEFAULT 0 NOT NULL,
    refused_requests bigint DEFAULT 0 NOT NULL,
    uncertain_requests bigint DEFAULT 0 NOT NULL,
    uncertain_spend numeric DEFAULT 0 NOT NULL,
    total_response_time_ms bigint DEFAULT 0 NOT NULL,
    timed_requests bigint DEFAULT 0 NOT NULL,
    total_ttft_ms bigint DEFAULT 0 NOT NULL,
    ttft_requests bigint DEFAULT 0 NOT NULL,
    rate_limited_requests bigint DEFAULT 0 NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    team_id text DEFAULT ''::text NOT NULL,
    organization_id text DEFAULT ''::text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    custom_llm_provider text DEFAULT ''::text NOT NULL,
    endpoint text DEFAULT ''::text NOT NULL,
    cache_hit_requests bigint DEFAULT 0 NOT NULL,
    cache_hit_output_tokens bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

CREATE VIEW "Last30dKeysBySpend" AS
 SELECT summed.api_key,
    "LiteLLM_VerificationToken".key_alias,
    "LiteLLM_VerificationToken".key_name,
    summed.total_spend
   FROM (( SELECT "Switchgear_DailySpend".api_key,
            sum("Switchgear_DailySpend".spend) AS total_spend
           FROM "Switchgear_DailySpend"
          WHERE ("Switchgear_DailySpend".date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text))
          GROUP BY "Switchgear_DailySpend".api_key) summed
     LEFT JOIN "LiteLLM_VerificationToken" ON (("LiteLLM_VerificationToken".token = summed.api_key)))
  ORDER BY summed.total_spend DESC;

CREATE VIEW "Last30dModelsBySpend" AS
 SELECT model,
    sum(spend) AS total_spend
   FROM "Switchgear_DailySpend"
  WHERE ((date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text)) AND (model <> ''::text))
  GROUP BY model
  ORDER BY (sum(spend)) DESC;

CREATE TABLE "Switchgear_DailyEndUserSpend" (
    id text NOT NULL,
    date text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    cache_read_input_tokens bigint DEFAULT 0 NOT NULL,
    cache_creation_input_tokens bigint DEFAULT 0 CONSTRAINT "Switchgear_DailyEndUserSpen_cache_creation_input_token_not_null" NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    api_requests bigint DEFAULT 0 NOT NULL,
    successful_requests bigint DEFAULT 0 NOT NULL,
    failed_requests bigint DEFAULT 0 NOT NULL,
    refused_requests bigint DEFAULT 0 NOT NULL,
    uncertain_requests bigint DEFAULT 0 NOT NULL,
    uncertain_spend numeric DEFAULT 0 NOT NULL,
    total_response_time_ms bigint DEFAULT 0 NOT NULL,
    timed_requests bigint DEFAULT 0 NOT NULL,
    total_ttft_ms bigint DEFAULT 0 NOT NULL,
    ttft_requests bigint DEFAULT 0 NOT NULL,
    rate_limited_requests bigint DEFAULT 0 NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    team_id text DEFAULT ''::text NOT NULL,
    organization_id text DEFAULT ''::text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    custom_llm_provider text DEFAULT ''::text NOT NULL,
    endpoint text DEFAULT ''::text NOT NULL,
    end_user text NOT NULL,
    cache_hit_requests bigint DEFAULT 0 NOT NULL,
    cache_hit_output_tokens bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

CREATE VIEW "Last30dTopEndUsersSpend" AS
 SELECT end_user,
    (sum(api_requests))::bigint AS total_events,
    sum(spend) AS total_spend
   FROM "Switchgear_DailyEndUserSpend"
  WHERE ((date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text)) AND (end_user <> user_id))
  GROUP BY end_user
  ORDER BY (sum(spend)) DESC
 LIMIT 100;

CREATE TABLE "LiteLLM_AuditLog" (
    id text NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    changed_by text DEFAULT ''::text NOT NULL,
    changed_by_api_key text DEFAULT ''::text NOT NULL,
    action text NOT NULL,
    table_name text NOT NULL,
    object_id text NOT NULL,
    before_value jsonb,
    updated_values jsonb,
    claimed_by text,
    source_address text,
    request_id text,
    database_user text NOT NULL
);

CREATE TABLE "LiteLLM_Config" (
    param_name text NOT NULL,
    param_value jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text
);

CREATE TABLE "LiteLLM_CredentialsTable" (
    credential_id text NOT NULL,
    credential_name text NOT NULL,
    credential_values jsonb DEFAULT '{}'::jsonb NOT NULL,
    credential_info jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text
);

CREATE VIEW "LiteLLM_DailyEndUserSpend" AS
 SELECT id,
    end_user AS end_user_id,
    date,
    api_key,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    prompt_tokens,
    completion_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    api_requests,
    successful_requests,
    failed_requests,
    total_response_time_ms,
    timed_requests,
    created_at,
    updated_at
   FROM "Switchgear_DailyEndUserSpend";

CREATE VIEW "LiteLLM_DailyGlobalSpend" AS
 SELECT min(id) AS id,
    date,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    (sum(prompt_tokens))::bigint AS prompt_tokens,
    (sum(completion_tokens))::bigint AS completion_tokens,
    (sum(cache_read_input_tokens))::bigint AS cache_read_input_tokens,
    (sum(cache_creation_input_tokens))::bigint AS cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    sum(spend) AS spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    (sum(api_requests))::bigint AS api_requests,
    (sum(successful_requests))::bigint AS successful_requests,
    (sum(failed_requests))::bigint AS failed_requests,
    (sum(total_response_time_ms))::bigint AS total_response_time_ms,
    (sum(timed_requests))::bigint AS timed_requests,
    min(created_at) AS created_at,
    max(updated_at) AS updated_at
   FROM "Switchgear_DailySpend"
  GROUP BY date, model, model_group, custom_llm_provider, endpoint;

CREATE VIEW "LiteLLM_DailyOrganizationSpend" AS
 SELECT id,
    organization_id,
    date,
    api_key,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    prompt_tokens,
    completion_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    api_requests,
    successful_requests,
    failed_requests,
    total_response_time_ms,
    timed_requests,
    created_at,
    updated_at
   FROM "Switchgear_DailySpend"
  WHERE (organization_id <> ''::text);

CREATE VIEW "LiteLLM_DailyTagSpend" AS
 SELECT id,
    NULL::text AS request_id,
    tag,
    date,
    api_key,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    prompt_tokens,
    completion_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    api_requests,
    successful_requests,
    failed_requests,
    total_response_time_ms,
    timed_requests,
    created_at,
    updated_at
   FROM "Switchgear_DailyTagSpend";

CREATE VIEW "LiteLLM_DailyTeamSpend" AS
 SELECT id,
    team_id,
    date,
    api_key,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    prompt_tokens,
    completion_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    api_requests,
    successful_requests,
    failed_requests,
    total_response_time_ms,
    timed_requests,
    created_at,
    updated_at
   FROM "Switchgear_DailySpend"
  WHERE (team_id <> ''::text);

CREATE VIEW "LiteLLM_DailyUserSpend" AS
 SELECT id,
    user_id,
    date,
    api_key,
    model,
    model_group,
    custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name,
    endpoint,
    prompt_tokens,
    completion_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    (0)::bigint AS compression_saved_tokens,
    spend,
    (0)::numeric AS compression_savings_spend,
    (0)::numeric AS prompt_caching_savings_spend,
    (0)::numeric AS gateway_injected_caching_savings_spend,
    (0)::numeric AS autorouter_savings_spend,
    api_requests,
    successful_requests,
    failed_requests,
    total_response_time_ms,
    timed_requests,
    created_at,
    updated_at
   FROM "Switchgear_DailySpend";

CREATE TABLE "LiteLLM_DeletedTeamTable" (
    id text NOT NULL,
    team_id text NOT NULL,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text,
    team_alias text,
    organization_id text,
    members_with_roles jsonb DEFAULT '[]'::jsonb NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    team_member_permissions text[] DEFAULT '{}'::text[] NOT NULL,
    access_group_ids text[] DEFAULT '{}'::text[] NOT NULL,
    member_budget_id text,
    deleted_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    deleted_by text,
    deleted_by_api_key text,
    external_id text,
    directory jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE "LiteLLM_DeletedVerificationToken" (
    id text NOT NULL,
    token text NOT NULL,
    key_name text,
    key_alias text,
    spend numeric DEFAULT 0 NOT NULL,
    expires timestamp without time zone,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    user_id text,
    team_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    blocked boolean,
    created_at timestamp without time zone NOT NULL,
    created_by text,
    updated_at timestamp without time zone NOT NULL,
    updated_by text,
    deleted_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    deleted_by text,
    deleted_by_api_key text,
    max_budget numeric,
    soft_budget numeric,
    budget_duration text,
    budget_reset_at timestamp without time zone,
    max_parallel_requests integer,
    tpm_limit bigint,
    rpm_limit bigint,
    tpd_limit bigint,
    model_max_budget jsonb DEFAULT '{}'::jsonb NOT NULL,
    budget_limits jsonb DEFAULT '[]'::jsonb NOT NULL,
    key_id text DEFAULT ''::text NOT NULL,
    aliases jsonb DEFAULT '{}'::jsonb NOT NULL,
    organization_id text,
    budget_id text,
    key_type text,
    allowed_routes text[] DEFAULT '{}'::text[] NOT NULL,
    access_group_ids text[] DEFAULT '{}'::text[] NOT NULL,
    rotation_count integer DEFAULT 0 NOT NULL,
    last_rotation_at timestamp without time zone,
    project_id text
);

CREATE TABLE "LiteLLM_EndUserTable" (
    user_id text NOT NULL,
    alias text,
    spend numeric DEFAULT 0 NOT NULL,
    default_model text,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    budget_id text,
    blocked boolean DEFAULT false NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_by text
);

CREATE TABLE "LiteLLM_HealthCheckTable" (
    health_check_id text NOT NULL,
    model_name text NOT NULL,
    model_id text,
    status text NOT NULL,
    healthy_count bigint DEFAULT 0 NOT NULL,
    unhealthy_count bigint DEFAULT 0 NOT NULL,
    error_message text,
    response_time_ms double precision,
    details jsonb,
    checked_by text,
    checked_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE "LiteLLM_InvitationLink" (
    id text NOT NULL,
    user_id text NOT NULL,
    is_accepted boolean DEFAULT false NOT NULL,
    accepted_at timestamp without time zone,
    expires_at timestamp without time zone NOT NULL,
    secret_hash text DEFAULT ''::text NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'::text) NOT NULL,
    updated_by text
);

CREATE TABLE "LiteLLM_ProxyModelTable" (
    model_id text NOT NULL,
    model_name text NOT NULL,
    litellm_params jsonb DEFAULT '{}'::jsonb NOT NULL,
    model_info jsonb DEFAULT '{}'::jsonb NOT NULL,
    team_id text,
    blocked boolean DEFAULT false NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text
);

CREATE TABLE "LiteLLM_SSOConfig" (
    id text NOT NULL,
    sso_settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'::text) NOT NULL,
    updated_by text
);

CREATE TABLE "LiteLLM_SpendLogs" (
    request_id text NOT NULL,
    call_type text NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    total_tokens bigint DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    "startTime" timestamp without time zone NOT NULL,
    "endTime" timestamp without time zone NOT NULL,
    request_duration_ms bigint,
    "completionStartTime" timestamp without time zone,
    model text DEFAULT ''::text NOT NULL,
    model_id text DEFAULT ''::text,
    model_group text DEFAULT ''::text,
    custom_llm_provider text DEFAULT ''::text,
    api_base text DEFAULT ''::text,
    "user" text DEFAULT ''::text,
    metadata jsonb DEFAULT '{}'::jsonb,
    cache_hit text DEFAULT ''::text,
    request_tags jsonb DEFAULT '[]'::jsonb,
    team_id text,
    end_user text,
    requester_ip_address text,
    status text,
    litellm_call_id text,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    key_alias text,
    user_agent text,
    outcome text NOT NULL,
    http_status integer NOT NULL,
    error_class text,
    error_message text,
    estimated boolean DEFAULT false NOT NULL,
    cached_tokens bigint DEFAULT 0 NOT NULL,
    cache_write_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    ttft_ms bigint,
    streamed boolean DEFAULT false NOT NULL,
    price_source text,
    organization_id text,
    price_version text,
    price_effective date,
    service_tier text DEFAULT ''::text NOT NULL,
    session_id text,
    key_id text,
    charged jsonb,
    corrects text,
    correction text,
    reason text,
    corrected_by text,
    response_id text,
    project_id text
)
PARTITION BY RANGE ("startTime");

CREATE TABLE "LiteLLM_TagTable" (
    tag_name text NOT NULL,
    description text,
    spend numeric DEFAULT 0 NOT NULL,
    budget_id text,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    created_by text,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_by text
);

CREATE VIEW "MonthlyGlobalSpend" AS
 SELECT (date)::date AS date,
    sum(spend) AS spend
   FROM "Switchgear_DailySpend"
  WHERE (date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text))
  GROUP BY (date)::date;

CREATE VIEW "MonthlyGlobalSpendPerKey" AS
 SELECT (date)::date AS date,
    sum(spend) AS spend,
    api_key
   FROM "Switchgear_DailySpend"
  WHERE (date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text))
  GROUP BY (date)::date, api_key;

CREATE VIEW "MonthlyGlobalSpendPerUserPerKey" AS
 SELECT (date)::date AS date,
    sum(spend) AS spend,
    api_key,
    user_id AS "user"
   FROM "Switchgear_DailySpend"
  WHERE (date >= to_char(((((now() AT TIME ZONE 'utc'::text))::date - 30))::timestamp with time zone, 'YYYY-MM-DD'::text))
  GROUP BY (date)::date, api_key, user_id;

CREATE SEQUENCE switchgear_epoch
    START WITH 10000000000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE "Switchgear_Account" (
    account text NOT NULL,
    kind text DEFAULT ''::text NOT NULL,
    object_id text DEFAULT ''::text NOT NULL,
    part text DEFAULT ''::text NOT NULL,
    duration text,
    epoch bigint DEFAULT nextval('switchgear_epoch'::regclass) NOT NULL,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    leased bigint DEFAULT 0 NOT NULL,
    spent bigint DEFAULT 0 NOT NULL,
    ceiling bigint DEFAULT 0 NOT NULL
);

CREATE TABLE "Switchgear_Alert" (
    id text NOT NULL,
    kind text NOT NULL,
    object text NOT NULL,
    message text DEFAULT ''::text NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    times bigint DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone,
    told_at timestamp with time zone,
    tries bigint DEFAULT 0 NOT NULL
);

CREATE TABLE "Switchgear_Bodies" (
    request_id text NOT NULL,
    "startTime" timestamp without time zone NOT NULL,
    request text,
    response text,
    request_truncated boolean DEFAULT false NOT NULL,
    response_truncated boolean DEFAULT false NOT NULL
)
PARTITION BY RANGE ("startTime");

CREATE UNLOGGED TABLE "Switchgear_Cache" (
    cache_key text NOT NULL,
    salt_id text NOT NULL,
    sealed bytea NOT NULL,
    size bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY "Switchgear_Cache" ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE "Switchgear_DailyEndUserTotal" (
    id text NOT NULL,
    date text NOT NULL,
    spend numeric DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    cache_read_input_tokens bigint DEFAULT 0 NOT NULL,
    cache_creation_input_tokens bigint DEFAULT 0 CONSTRAINT "Switchgear_DailyEndUserTota_cache_creation_input_token_not_null" NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    api_requests bigint DEFAULT 0 NOT NULL,
    successful_requests bigint DEFAULT 0 NOT NULL,
    failed_requests bigint DEFAULT 0 NOT NULL,
    refused_requests bigint DEFAULT 0 NOT NULL,
    uncertain_requests bigint DEFAULT 0 NOT NULL,
    uncertain_spend numeric DEFAULT 0 NOT NULL,
    total_response_time_ms bigint DEFAULT 0 NOT NULL,
    timed_requests bigint DEFAULT 0 NOT NULL,
    total_ttft_ms bigint DEFAULT 0 NOT NULL,
    ttft_requests bigint DEFAULT 0 NOT NULL,
    rate_limited_requests bigint DEFAULT 0 NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    end_user text NOT NULL,
    cache_hit_requests bigint DEFAULT 0 NOT NULL,
    cache_hit_output_tokens bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE "Switchgear_Deployment" (
    deployment_key text NOT NULL,
    deployment_id text NOT NULL,
    model text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    cooled_until timestamp with time zone,
    cooldown_level bigint DEFAULT 0 NOT NULL,
    cooldown_reason text DEFAULT ''::text NOT NULL,
    next_check_at timestamp with time zone,
    checked_at timestamp with time zone,
    check_status text,
    check_error text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_HostConfig" (
    worker text NOT NULL,
    host text NOT NULL,
    file_hash text NOT NULL,
    flaw text,
    models bigint DEFAULT 0 NOT NULL,
    loaded_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    settings_refused text[] DEFAULT '{}'::text[] NOT NULL,
    needs_restart text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE TABLE "Switchgear_Journal" (
    journal text NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    segment bigint DEFAULT 0 NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    booked_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);

CREATE TABLE "Switchgear_Latency" (
    id text NOT NULL,
    date text NOT NULL,
    hour text DEFAULT ''::text NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    team_id text DEFAULT ''::text NOT NULL,
    organization_id text DEFAULT ''::text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    custom_llm_provider text DEFAULT ''::text NOT NULL,
    duration_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    ttft_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL
);

CREATE TABLE "Switchgear_Lease" (
    account text NOT NULL,
    epoch bigint NOT NULL,
    worker text NOT NULL,
    amount bigint DEFAULT 0 NOT NULL,
    written_off bigint DEFAULT 0 NOT NULL,
    ticket bigint DEFAULT 0 NOT NULL,
    granted bigint DEFAULT 0 NOT NULL
);

CREATE TABLE "Switchgear_ModelLatency" (
    id text NOT NULL,
    date text NOT NULL,
    hour text DEFAULT ''::text NOT NULL,
    model_group text DEFAULT ''::text NOT NULL,
    custom_llm_provider text DEFAULT ''::text NOT NULL,
    duration_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    ttft_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL
);

CREATE TABLE "Switchgear_OwnerLatency" (
    id text NOT NULL,
    date text NOT NULL,
    hour text DEFAULT ''::text NOT NULL,
    api_key text DEFAULT ''::text NOT NULL,
    user_id text DEFAULT ''::text NOT NULL,
    team_id text DEFAULT ''::text NOT NULL,
    organization_id text DEFAULT ''::text NOT NULL,
    duration_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    ttft_counts bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    created_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL,
    updated_at timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc'::text) NOT NULL
);

CREATE TABLE "Switchgear_Password" (
    user_id text NOT NULL,
    hash text NOT NULL,
    changed_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_SavedFilter" (
    filter_id text NOT NULL,
    user_id text NOT NULL,
    page text NOT NULL,
    name text NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_Session" (
    session_hash text NOT NULL,
    session_id text NOT NULL,
    user_id text NOT NULL,
    method text NOT NULL,
    provider text DEFAULT ''::text NOT NULL,
    address text,
    user_agent text,
    idle_s integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_SignIn" (
    state_hash text NOT NULL,
    browser_hash text NOT NULL,
    provider text NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    return_to text DEFAULT ''::text NOT NULL,
    purpose text DEFAULT 'sign_in'::text NOT NULL,
    address text,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_SignInSecret" (
    name text NOT NULL,
    salt_id text NOT NULL,
    sealed bytea NOT NULL,
    changed_at timestamp with time zone NOT NULL
);

CREATE TABLE "Switchgear_State" (
    state_id text NOT NULL,
    kind text NOT NULL,
    owner text NOT NULL,
    salt_id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);
ALTER TABLE ONLY "Switchgear_State" ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE "Switchgear_Throttle" (
    bucket text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone
);

CREATE TABLE "Switchgear_Worker" (
    worker text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    given_up_at timestamp with time zone,
    fenced bigint DEFAULT 0 NOT NULL
);

CREATE TABLE migration (
    id integer NOT NULL,
    name character varying(200) DEFAULT ''::character varying NOT NULL,
    app_name character varying(200) DEFAULT ''::character varying NOT NULL,
    ran_on timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE SEQUENCE migration_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE migration_id_seq OWNED BY migration.id;

ALTER TABLE ONLY migration ALTER COLUMN id SET DEFAULT nextval('migration_id_seq'::regclass);

ALTER TABLE ONLY "LiteLLM_AccessGroupTable"
    ADD CONSTRAINT "LiteLLM_AccessGroupTable_access_group_name_key" UNIQUE (access_group_name);

ALTER TABLE ONLY "LiteLLM_AccessGroupTable"
    ADD CONSTRAINT "LiteLLM_AccessGroupTable_pkey" PRIMARY KEY (access_group_id);

ALTER TABLE ONLY "LiteLLM_AuditLog"
    ADD CONSTRAINT "LiteLLM_AuditLog_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "LiteLLM_BudgetTable"
    ADD CONSTRAINT "LiteLLM_BudgetTable_pkey" PRIMARY KEY (budget_id);

ALTER TABLE ONLY "LiteLLM_Config"
    ADD CONSTRAINT "LiteLLM_Config_pkey" PRIMARY KEY (param_name);

ALTER TABLE ONLY "LiteLLM_CredentialsTable"
    ADD CONSTRAINT "LiteLLM_CredentialsTable_credential_name_key" UNIQUE (credential_name);

ALTER TABLE ONLY "LiteLLM_CredentialsTable"
    ADD CONSTRAINT "LiteLLM_CredentialsTable_pkey" PRIMARY KEY (credential_id);

ALTER TABLE ONLY "LiteLLM_DeletedTeamTable"
    ADD CONSTRAINT "LiteLLM_DeletedTeamTable_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "LiteLLM_DeletedVerificationToken"
    ADD CONSTRAINT "LiteLLM_DeletedVerificationToken_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "LiteLLM_DeprecatedVerificationToken"
    ADD CONSTRAINT "LiteLLM_DeprecatedVerificationToken_pkey" PRIMARY KEY (token);

ALTER TABLE ONLY "LiteLLM_EndUserTable"
    ADD CONSTRAINT "LiteLLM_EndUserTable_pkey" PRIMARY KEY (user_id);

ALTER TABLE ONLY "LiteLLM_HealthCheckTable"
    ADD CONSTRAINT "LiteLLM_HealthCheckTable_pkey" PRIMARY KEY (health_check_id);

ALTER TABLE ONLY "LiteLLM_InvitationLink"
    ADD CONSTRAINT "LiteLLM_InvitationLink_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "LiteLLM_OrganizationMembership"
    ADD CONSTRAINT "LiteLLM_OrganizationMembership_pkey" PRIMARY KEY (user_id, organization_id);

ALTER TABLE ONLY "LiteLLM_OrganizationTable"
    ADD CONSTRAINT "LiteLLM_OrganizationTable_pkey" PRIMARY KEY (organization_id);

ALTER TABLE ONLY "LiteLLM_ProjectTable"
    ADD CONSTRAINT "LiteLLM_ProjectTable_pkey" PRIMARY KEY (project_id);

ALTER TABLE ONLY "LiteLLM_ProxyModelTable"
    ADD CONSTRAINT "LiteLLM_ProxyModelTable_pkey" PRIMARY KEY (model_id);

ALTER TABLE ONLY "LiteLLM_SSOConfig"
    ADD CONSTRAINT "LiteLLM_SSOConfig_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "LiteLLM_SpendLogs"
    ADD CONSTRAINT "LiteLLM_SpendLogs_pkey" PRIMARY KEY (request_id, "startTime");

ALTER TABLE ONLY "LiteLLM_TagTable"
    ADD CONSTRAINT "LiteLLM_TagTable_pkey" PRIMARY KEY (tag_name);

ALTER TABLE ONLY "LiteLLM_TeamMembership"
    ADD CONSTRAINT "LiteLLM_TeamMembership_pkey" PRIMARY KEY (user_id, team_id);

ALTER TABLE ONLY "LiteLLM_TeamTable"
    ADD CONSTRAINT "LiteLLM_TeamTable_pkey" PRIMARY KEY (team_id);

ALTER TABLE ONLY "LiteLLM_UserTable"
    ADD CONSTRAINT "LiteLLM_UserTable_pkey" PRIMARY KEY (user_id);

ALTER TABLE ONLY "LiteLLM_UserTable"
    ADD CONSTRAINT "LiteLLM_UserTable_sso_user_id_key" UNIQUE (sso_user_id);

ALTER TABLE ONLY "LiteLLM_VerificationToken"
    ADD CONSTRAINT "LiteLLM_VerificationToken_pkey" PRIMARY KEY (token);

ALTER TABLE ONLY "Switchgear_Account"
    ADD CONSTRAINT "Switchgear_Account_pkey" PRIMARY KEY (account);

ALTER TABLE ONLY "Switchgear_Alert"
    ADD CONSTRAINT "Switchgear_Alert_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_Bodies"
    ADD CONSTRAINT "Switchgear_Bodies_pkey" PRIMARY KEY (request_id, "startTime");

ALTER TABLE ONLY "Switchgear_Cache"
    ADD CONSTRAINT "Switchgear_Cache_pkey" PRIMARY KEY (cache_key);

ALTER TABLE ONLY "Switchgear_DailyEndUserSpend"
    ADD CONSTRAINT "Switchgear_DailyEndUserSpend_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_DailyEndUserTotal"
    ADD CONSTRAINT "Switchgear_DailyEndUserTotal_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_DailySpend"
    ADD CONSTRAINT "Switchgear_DailySpend_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_DailyTagSpend"
    ADD CONSTRAINT "Switchgear_DailyTagSpend_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_Deployment"
    ADD CONSTRAINT "Switchgear_Deployment_pkey" PRIMARY KEY (deployment_key);

ALTER TABLE ONLY "Switchgear_HostConfig"
    ADD CONSTRAINT "Switchgear_HostConfig_pkey" PRIMARY KEY (worker);

ALTER TABLE ONLY "Switchgear_Journal"
    ADD CONSTRAINT "Switchgear_Journal_pkey" PRIMARY KEY (journal);

ALTER TABLE ONLY "Switchgear_Latency"
    ADD CONSTRAINT "Switchgear_Latency_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_Lease"
    ADD CONSTRAINT "Switchgear_Lease_pkey" PRIMARY KEY (account, epoch, worker);

ALTER TABLE ONLY "Switchgear_ModelLatency"
    ADD CONSTRAINT "Switchgear_ModelLatency_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_OwnerLatency"
    ADD CONSTRAINT "Switchgear_OwnerLatency_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Switchgear_Password"
    ADD CONSTRAINT "Switchgear_Password_pkey" PRIMARY KEY (user_id);

ALTER TABLE ONLY "Switchgear_SavedFilter"
    ADD CONSTRAINT "Switchgear_SavedFilter_pkey" PRIMARY KEY (filter_id);

ALTER TABLE ONLY "Switchgear_Session"
    ADD CONSTRAINT "Switchgear_Session_pkey" PRIMARY KEY (session_hash);

ALTER TABLE ONLY "Switchgear_Session"
    ADD CONSTRAINT "Switchgear_Session_session_id_key" UNIQUE (session_id);

ALTER TABLE ONLY "Switchgear_SignInSecret"
    ADD CONSTRAINT "Switchgear_SignInSecret_pkey" PRIMARY KEY (name);

ALTER TABLE ONLY "Switchgear_SignIn"
    ADD CONSTRAINT "Switchgear_SignIn_pkey" PRIMARY KEY (state_hash);

ALTER TABLE ONLY "Switchgear_State"
    ADD CONSTRAINT "Switchgear_State_pkey" PRIMARY KEY (owner, kind, state_id);

ALTER TABLE ONLY "Switchgear_Throttle"
    ADD CONSTRAINT "Switchgear_Throttle_pkey" PRIMARY KEY (bucket);

ALTER TABLE ONLY "Switchgear_Worker"
    ADD CONSTRAINT "Switchgear_Worker_pkey" PRIMARY KEY (worker);

ALTER TABLE ONLY migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (id);

CREATE INDEX "LiteLLM_VerificationToken_user_id_team_id_idx" ON "LiteLLM_VerificationToken" USING btree (user_id, team_id);

CREATE INDEX "LiteLLM_VerificationToken_team_id_idx" ON "LiteLLM_VerificationToken" USING btree (team_id);

CREATE INDEX "LiteLLM_DeletedVerificationToken_token_idx" ON "LiteLLM_DeletedVerificationToken" USING btree (token);

CREATE INDEX "LiteLLM_DeletedVerificationToken_deleted_at_idx" ON "LiteLLM_DeletedVerificationToken" USING btree (deleted_at);

CREATE INDEX "LiteLLM_DeletedVerificationToken_user_id_idx" ON "LiteLLM_DeletedVerificationToken" USING btree (user_id);

CREATE INDEX "LiteLLM_DeletedVerificationToken_team_id_idx" ON "LiteLLM_DeletedVerificationToken" USING btree (team_id);

CREATE INDEX "LiteLLM_DeletedVerificationToken_key_alias_idx" ON "LiteLLM_DeletedVerificationToken" USING btree (key_alias);

CREATE INDEX "LiteLLM_SpendLogs_startTime_request_id_idx" ON ONLY "LiteLLM_SpendLogs" USING btree ("startTime", request_id);

CREATE INDEX "LiteLLM_SpendLogs_api_key_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (api_key, "startTime");

CREATE INDEX "LiteLLM_SpendLogs_user_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree ("user", "startTime");

CREATE INDEX "LiteLLM_SpendLogs_team_id_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (team_id, "startTime");

CREATE INDEX "LiteLLM_SpendLogs_litellm_call_id_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (litellm_call_id);

CREATE UNIQUE INDEX "LiteLLM_VerificationToken_key_alias_key" ON "LiteLLM_VerificationToken" USING btree (key_alias) WHERE (key_alias IS NOT NULL);

CREATE INDEX "LiteLLM_VerificationToken_organization_id_idx" ON "LiteLLM_VerificationToken" USING btree (organization_id);

CREATE INDEX "LiteLLM_VerificationToken_budget_id_idx" ON "LiteLLM_VerificationToken" USING btree (budget_id);

CREATE INDEX "LiteLLM_VerificationToken_created_by_idx" ON "LiteLLM_VerificationToken" USING btree (created_by);

CREATE INDEX "LiteLLM_DeprecatedVerificationToken_active_token_id_idx" ON "LiteLLM_DeprecatedVerificationToken" USING btree (active_token_id);

CREATE INDEX "LiteLLM_DeprecatedVerificationToken_revoke_at_idx" ON "LiteLLM_DeprecatedVerificationToken" USING btree (revoke_at);

CREATE INDEX "LiteLLM_TeamTable_organization_id_idx" ON "LiteLLM_TeamTable" USING btree (organization_id);

CREATE INDEX "LiteLLM_TeamTable_team_alias_idx" ON "LiteLLM_TeamTable" USING btree (team_alias);

CREATE INDEX "LiteLLM_DeletedTeamTable_team_id_idx" ON "LiteLLM_DeletedTeamTable" USING btree (team_id);

CREATE INDEX "LiteLLM_DeletedTeamTable_deleted_at_idx" ON "LiteLLM_DeletedTeamTable" USING btree (deleted_at);

CREATE INDEX "LiteLLM_TeamMembership_team_id_idx" ON "LiteLLM_TeamMembership" USING btree (team_id);

CREATE INDEX "LiteLLM_OrganizationMembership_organization_id_idx" ON "LiteLLM_OrganizationMembership" USING btree (organization_id);

CREATE INDEX "LiteLLM_AuditLog_updated_at_id_idx" ON "LiteLLM_AuditLog" USING btree (updated_at, id);

CREATE INDEX "LiteLLM_AuditLog_object_id_updated_at_idx" ON "LiteLLM_AuditLog" USING btree (object_id, updated_at);

CREATE INDEX "LiteLLM_AuditLog_changed_by_updated_at_idx" ON "LiteLLM_AuditLog" USING btree (changed_by, updated_at);

CREATE INDEX "LiteLLM_SpendLogs_organization_id_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (organization_id, "startTime");

CREATE INDEX "Switchgear_Lease_worker_idx" ON "Switchgear_Lease" USING btree (worker);

CREATE INDEX "Switchgear_Account_window_end_idx" ON "Switchgear_Account" USING btree (window_end);

CREATE INDEX "LiteLLM_UserTable_user_email_idx" ON "LiteLLM_UserTable" USING btree (lower(user_email));

CREATE UNIQUE INDEX "LiteLLM_VerificationToken_key_id_key" ON "LiteLLM_VerificationToken" USING btree (key_id);

CREATE INDEX "Switchgear_DailySpend_date_id_idx" ON "Switchgear_DailySpend" USING btree (date, id);

CREATE INDEX "Switchgear_DailySpend_api_key_date_idx" ON "Switchgear_DailySpend" USING btree (api_key, date);

CREATE INDEX "Switchgear_DailySpend_user_id_date_idx" ON "Switchgear_DailySpend" USING btree (user_id, date);

CREATE INDEX "Switchgear_DailySpend_team_id_date_idx" ON "Switchgear_DailySpend" USING btree (team_id, date);

CREATE INDEX "Switchgear_DailySpend_organization_id_date_idx" ON "Switchgear_DailySpend" USING btree (organization_id, date);

CREATE INDEX "Switchgear_DailyEndUserSpend_date_id_idx" ON "Switchgear_DailyEndUserSpend" USING btree (date, id);

CREATE INDEX "Switchgear_DailyEndUserSpend_end_user_date_idx" ON "Switchgear_DailyEndUserSpend" USING btree (end_user, date);

CREATE INDEX "Switchgear_DailyEndUserSpend_api_key_date_idx" ON "Switchgear_DailyEndUserSpend" USING btree (api_key, date);

CREATE INDEX "Switchgear_DailyTagSpend_date_id_idx" ON "Switchgear_DailyTagSpend" USING btree (date, id);

CREATE INDEX "Switchgear_DailyTagSpend_tag_date_idx" ON "Switchgear_DailyTagSpend" USING btree (tag, date);

CREATE INDEX "Switchgear_DailyEndUserTotal_date_idx" ON "Switchgear_DailyEndUserTotal" USING btree (date);

CREATE INDEX "LiteLLM_SpendLogs_end_user_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (end_user, "startTime") WHERE (end_user IS NOT NULL);

CREATE INDEX "LiteLLM_SpendLogs_session_id_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (session_id) WHERE (session_id IS NOT NULL);

CREATE INDEX "LiteLLM_SpendLogs_model_group_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (model_group, "startTime");

CREATE INDEX "LiteLLM_SpendLogs_model_startTime_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (model, "startTime");

CREATE INDEX "LiteLLM_SpendLogs_spend_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (spend);

CREATE INDEX "LiteLLM_SpendLogs_failure_idx" ON ONLY "LiteLLM_SpendLogs" USING btree ("startTime", request_id) WHERE (status = 'failure'::text);

CREATE INDEX "LiteLLM_SpendLogs_corrects_idx" ON ONLY "LiteLLM_SpendLogs" USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE INDEX "LiteLLM_SpendLogs_open_idx" ON ONLY "LiteLLM_SpendLogs" USING btree ("startTime", request_id) WHERE ((corrects IS NULL) AND ((outcome = 'uncertain'::text) OR estimated));

CREATE UNIQUE INDEX "Switchgear_Alert_open_key" ON "Switchgear_Alert" USING btree (kind, object) WHERE (ended_at IS NULL);

CREATE INDEX "Switchgear_Alert_first_at_idx" ON "Switchgear_Alert" USING btree (first_at, id);

CREATE INDEX "LiteLLM_SpendLogs_response_id_idx" ON ONLY "LiteLLM_SpendLogs" USING hash (response_id) WHERE (response_id IS NOT NULL);

CREATE INDEX "Switchgear_State_expires_at_idx" ON "Switchgear_State" USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX "LiteLLM_EndUserTable_created_by_created_at_idx" ON "LiteLLM_EndUserTable" USING btree (created_by, created_at) WHERE (created_by ~~ 'key:%'::text);

CREATE INDEX "Switchgear_Session_user_id_idx" ON "Switchgear_Session" USING btree (user_id);

CREATE INDEX "Switchgear_Session_expires_at_idx" ON "Switchgear_Session" USING btree (expires_at);

CREATE INDEX "Switchgear_SignIn_expires_at_idx" ON "Switchgear_SignIn" USING btree (expires_at);

CREATE INDEX "Switchgear_SignIn_address_idx" ON "Switchgear_SignIn" USING btree (address);

CREATE INDEX "LiteLLM_InvitationLink_user_id_idx" ON "LiteLLM_InvitationLink" USING btree (user_id);

CREATE INDEX "LiteLLM_InvitationLink_secret_hash_idx" ON "LiteLLM_InvitationLink" USING btree (secret_hash);

CREATE INDEX "LiteLLM_UserTable_external_id_idx" ON "LiteLLM_UserTable" USING btree (external_id);

CREATE INDEX "LiteLLM_TeamTable_external_id_idx" ON "LiteLLM_TeamTable" USING btree (external_id);

CREATE INDEX "LiteLLM_UserTable_directory_name_idx" ON "LiteLLM_UserTable" USING btree (lower((directory ->> 'userName'::text)));

CREATE INDEX "LiteLLM_VerificationToken_project_id_idx" ON "LiteLLM_VerificationToken" USING btree (project_id);

CREATE INDEX "LiteLLM_ProjectTable_team_id_idx" ON "LiteLLM_ProjectTable" USING btree (team_id);

CREATE INDEX "LiteLLM_HealthCheckTable_checked_at_idx" ON "LiteLLM_HealthCheckTable" USING btree (checked_at DESC, health_check_id);

CREATE INDEX "Switchgear_Cache_expires_at_idx" ON "Switchgear_Cache" USING btree (expires_at, size);

CREATE INDEX "Switchgear_Latency_day_idx" ON "Switchgear_Latency" USING btree (date) WHERE (hour = ''::text);

CREATE INDEX "Switchgear_Latency_hour_idx" ON "Switchgear_Latency" USING btree (date) WHERE (hour <> ''::text);

CREATE UNIQUE INDEX "Switchgear_SavedFilter_name_key" ON "Switchgear_SavedFilter" USING btree (user_id, page, name);

CREATE INDEX "Switchgear_OwnerLatency_day_idx" ON "Switchgear_OwnerLatency" USING btree (date) WHERE (hour = ''::text);

CREATE INDEX "Switchgear_OwnerLatency_hour_idx" ON "Switchgear_OwnerLatency" USING btree (date) WHERE (hour <> ''::text);

CREATE INDEX "Switchgear_ModelLatency_day_idx" ON "Switchgear_ModelLatency" USING btree (date) WHERE (hour = ''::text);

CREATE INDEX "Switchgear_ModelLatency_hour_idx" ON "Switchgear_ModelLatency" USING btree (date) WHERE (hour <> ''::text);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON "LiteLLM_AuditLog" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_append_only();

CREATE TRIGGER audited_without_sealed BEFORE INSERT ON "LiteLLM_AuditLog" FOR EACH ROW WHEN ((new.table_name = ANY (ARRAY['LiteLLM_ProxyModelTable'::text, 'LiteLLM_CredentialsTable'::text, 'LiteLLM_Config'::text]))) EXECUTE FUNCTION switchgear_audited_without_sealed();

CREATE TRIGGER forget_state AFTER DELETE ON "LiteLLM_VerificationToken" FOR EACH ROW EXECUTE FUNCTION switchgear_forget_state();

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_AccessGroupTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('all', 'access_group_id', 'access_group_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_BudgetTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('budget', 'budget_id', 'budget_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_Config" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('config', 'param_name', 'param_name');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_CredentialsTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('credential', 'credential_name', 'credential_name');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_DeprecatedVerificationToken" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_EndUserTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('customer', 'user_id', 'user_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_InvitationLink" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('invitation', 'id', 'id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_OrganizationMembership" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'organization_id,user_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_OrganizationTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('organization', 'organization_id', 'organization_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_ProjectTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_ProxyModelTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('model', 'model_id', 'model_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_SSOConfig" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_TagTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_TeamMembership" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'team_id,user_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_TeamTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('team', 'team_id', 'team_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_UserTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'user_id');

CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_VerificationToken" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_AccessGroupTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('all', 'access_group_id', 'access_group_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_BudgetTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('budget', 'budget_id', 'budget_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_Config" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('config', 'param_name', 'param_name');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_CredentialsTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('credential', 'credential_name', 'credential_name');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_DeprecatedVerificationToken" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_EndUserTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('customer', 'user_id', 'user_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_InvitationLink" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('invitation', 'id', 'id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_OrganizationMembership" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'organization_id,user_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_OrganizationTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('organization', 'organization_id', 'organization_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_ProjectTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_ProxyModelTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('model', 'model_id', 'model_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_SSOConfig" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_TagTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_TeamMembership" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'team_id,user_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_TeamTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('team', 'team_id', 'team_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_UserTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'user_id');

CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_VerificationToken" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_AccessGroupTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_BudgetTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_Config" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_CredentialsTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_DeprecatedVerificationToken" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_EndUserTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_InvitationLink" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_OrganizationMembership" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_OrganizationTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_ProjectTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_ProxyModelTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_SSOConfig" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TagTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TeamMembership" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TeamTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_UserTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_VerificationToken" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_AccessGroupTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('all', 'access_group_id', 'access_group_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_BudgetTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('budget', 'budget_id', 'budget_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_Config" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('config', 'param_name', 'param_name');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_CredentialsTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('credential', 'credential_name', 'credential_name');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_DeprecatedVerificationToken" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_EndUserTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('customer', 'user_id', 'user_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_InvitationLink" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('invitation', 'id', 'id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_OrganizationMembership" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'organization_id,user_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_OrganizationTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('organization', 'organization_id', 'organization_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_ProjectTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_ProxyModelTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('model', 'model_id', 'model_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_SSOConfig" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_TagTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_TeamMembership" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'team_id,user_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_TeamTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('team', 'team_id', 'team_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_UserTable" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'user_id');

CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_VerificationToken" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('key', 'token', 'token');

CREATE TRIGGER key_id BEFORE INSERT ON "LiteLLM_VerificationToken" FOR EACH ROW EXECUTE FUNCTION switchgear_key_id();

CREATE TRIGGER members AFTER INSERT OR DELETE OR UPDATE OF role ON "LiteLLM_TeamMembership" FOR EACH ROW EXECUTE FUNCTION switchgear_members();

CREATE TRIGGER person_barred AFTER UPDATE OF blocked, deactivated ON "LiteLLM_UserTable" FOR EACH ROW WHEN ((new.blocked OR new.deactivated)) EXECUTE FUNCTION switchgear_person_left();

CREATE TRIGGER person_left AFTER DELETE ON "LiteLLM_UserTable" FOR EACH ROW EXECUTE FUNCTION switchgear_person_left();

CREATE TRIGGER role_source BEFORE INSERT OR UPDATE OF user_role ON "LiteLLM_UserTable" FOR EACH ROW EXECUTE FUNCTION switchgear_role_source();

CREATE TRIGGER session_ended AFTER DELETE ON "Switchgear_Session" FOR EACH ROW WHEN ((old.expires_at > now())) EXECUTE FUNCTION switchgear_session_ended();

ALTER TABLE ONLY "LiteLLM_EndUserTable"
    ADD CONSTRAINT "LiteLLM_EndUserTable_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_OrganizationMembership"
    ADD CONSTRAINT "LiteLLM_OrganizationMembership_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_OrganizationTable"
    ADD CONSTRAINT "LiteLLM_OrganizationTable_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_ProjectTable"
    ADD CONSTRAINT "LiteLLM_ProjectTable_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_ProjectTable"
    ADD CONSTRAINT "LiteLLM_ProjectTable_team_id_fkey" FOREIGN KEY (team_id) REFERENCES "LiteLLM_TeamTable"(team_id) ON DELETE CASCADE;

ALTER TABLE ONLY "LiteLLM_ProxyModelTable"
    ADD CONSTRAINT "LiteLLM_ProxyModelTable_team_id_fkey" FOREIGN KEY (team_id) REFERENCES "LiteLLM_TeamTable"(team_id) ON DELETE CASCADE;

ALTER TABLE ONLY "LiteLLM_TagTable"
    ADD CONSTRAINT "LiteLLM_TagTable_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_TeamMembership"
    ADD CONSTRAINT "LiteLLM_TeamMembership_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_TeamTable"
    ADD CONSTRAINT "LiteLLM_TeamTable_member_budget_id_fkey" FOREIGN KEY (member_budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_VerificationToken"
    ADD CONSTRAINT "LiteLLM_VerificationToken_budget_id_fkey" FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable"(budget_id);

ALTER TABLE ONLY "LiteLLM_VerificationToken"
    ADD CONSTRAINT "LiteLLM_VerificationToken_project_id_fkey" FOREIGN KEY (project_id) REFERENCES "LiteLLM_ProjectTable"(project_id) DEFERRABLE;

REVOKE DELETE, TRUNCATE, UPDATE ON "LiteLLM_AuditLog" FROM CURRENT_USER, PUBLIC;
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T00:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T00:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T12:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T12:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T13:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T14:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T14:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T15:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T15:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T16:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T17:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T17:20:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-24T17:20:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T01:59:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T02:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T02:30:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T02:30:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T03:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T04:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T04:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T05:10:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T05:10:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T05:10:02:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-29T06:10:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T01:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T01:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T01:00:02:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T01:00:03:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T01:00:04:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:10:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:10:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:20:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T02:20:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T03:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T03:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T04:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T04:10:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T04:10:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T05:20:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T05:20:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T06:00:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-11-30T06:00:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-12-01T01:20:00:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-12-01T01:20:01:000000', 'switchgear');
INSERT INTO migration (name, app_name) VALUES ('2026-12-01T02:00:00:000000', 'switchgear');
