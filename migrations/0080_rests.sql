-- What open previews rest on, and what has changed of it since.

-- What an app renders at its head and does not own yet: a definition that was never synced has no row among the objects.
CREATE TABLE wants (
    cluster   TEXT NOT NULL,
    api_group TEXT NOT NULL,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    app       TEXT NOT NULL,
    PRIMARY KEY (cluster, api_group, kind, namespace, name, app)
);

CREATE INDEX wants_by_app ON wants (app);

-- Each object that was claimed, written, deleted or begun to be wanted, in the order in which that happened. The triggers below write it, so that no
-- way to change an inventory leaves it out.
CREATE TABLE touched (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster   TEXT NOT NULL,
    api_group TEXT NOT NULL,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    app       TEXT NOT NULL
);

-- Up to where the open pull requests were told.
CREATE TABLE touched_told (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL);

INSERT INTO touched_told (id, seq) VALUES (1, 0);

-- What the preview of a pull request rests on: crate::jobs::rests.
CREATE TABLE preview_rests (
    repo   TEXT   NOT NULL,
    number BIGINT NOT NULL,
    token  TEXT   NOT NULL,
    PRIMARY KEY (repo, number, token)
);

CREATE INDEX preview_rests_by_token ON preview_rests (token);

CREATE TRIGGER objects_claimed AFTER INSERT ON objects BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (NEW.cluster, NEW.api_group, NEW.kind, NEW.namespace, NEW.name, NEW.app);
END;

CREATE TRIGGER objects_changed AFTER UPDATE OF app, state ON objects
WHEN NEW.app <> OLD.app OR (NEW.state = 'applied' AND OLD.state <> 'applied') OR (NEW.state = 'deleting' AND OLD.state <> 'deleting') BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (NEW.cluster, NEW.api_group, NEW.kind, NEW.namespace, NEW.name, NEW.app);
END;

CREATE TRIGGER objects_gone AFTER DELETE ON objects BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (OLD.cluster, OLD.api_group, OLD.kind, OLD.namespace, OLD.name, OLD.app);
END;

CREATE TRIGGER wants_added AFTER INSERT ON wants BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (NEW.cluster, NEW.api_group, NEW.kind, NEW.namespace, NEW.name, NEW.app);
END;

CREATE TRIGGER wants_gone AFTER DELETE ON wants BEGIN
    INSERT INTO touched (cluster, api_group, kind, namespace, name, app)
    VALUES (OLD.cluster, OLD.api_group, OLD.kind, OLD.namespace, OLD.name, OLD.app);
END;
