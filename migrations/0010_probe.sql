-- One row that the readiness probe writes: a store that cannot commit is not ready.

CREATE TABLE probe (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL                               -- milliseconds since 1970
);
