-- The role with which programs open a vault in PostgreSQL. It has the rights that the verbs need and no more: the audit
-- trail it can add to and read, and neither change nor cut.
--
-- Run this as the owner of the schema `panseal`, once the vault is made and again after a new version of panseal has
-- brought it forward; both are the owner's to do, by opening the vault. So is `prune_audit`. For the role each of the
-- three ends with `PANSEAL_E_STORE` and the system code of SQLSTATE 42501.
--
-- The role itself, before, as somebody who may make roles:
--
--     create role panseal_app login password '...';

revoke all on schema panseal from public;
revoke all on all tables in schema panseal from public;
revoke all on all tables in schema panseal from panseal_app;

grant usage on schema panseal to panseal_app;

-- The key table. Whoever locks the fence, as every writer does, needs the right to change it.
grant select, insert, update, delete on panseal.fence to panseal_app;
grant select, insert, update on panseal.epoch to panseal_app;
grant select, insert on panseal.revoked to panseal_app;

-- Rows. Those of merchants are locked and never changed.
grant select, insert, update (id) on panseal.merchant to panseal_app;
grant select, insert, update, delete on panseal.card to panseal_app;
grant select, insert, update, delete on panseal.card_fp to panseal_app;
grant select, insert, update, delete on panseal.instrument to panseal_app;
grant select, insert, update, delete on panseal.customer to panseal_app;
grant select, insert, update, delete on panseal.idempotency to panseal_app;
grant select, insert on panseal.tombstone to panseal_app;
grant select, insert, update on panseal.credential to panseal_app;

-- The audit trail. Which chains are open is made from the other two tables, and nobody believes it.
grant select, insert on panseal.audit to panseal_app;
grant select, insert on panseal.audit_main to panseal_app;
grant select, insert, update, delete on panseal.chain to panseal_app;
grant select on panseal.audit_old to panseal_app;
