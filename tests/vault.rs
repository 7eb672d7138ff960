//! What a vault promises: a card in, a token out, the number back, and no card for anybody who should not have it.

use panseal::card::{Card, CardInput, check};
use panseal::error::{Code, Result};
use panseal::keys::Root;
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
use std::path::PathBuf;

const NOW: i64 = 1_800_000_000;
const VISA: &[u8] = b"4242 4242 4242 4242";
const AMEX: &[u8] = b"378282246310005";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        Root::create(&place.root()).unwrap();
        place
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("cards.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.db().display())
    }

    fn root(&self) -> String {
        format!("file:{}", self.folder.path().join("cards.root").display())
    }

    fn open(&self) -> Result<Vault> {
        self.open_with(|options| OpenOptions { create: true, actor: "till-1", ..options })
    }

    fn open_with(&self, change: impl for<'a> FnOnce(OpenOptions<'a>) -> OpenOptions<'a>) -> Result<Vault> {
        Vault::open(&change(OpenOptions::new(&self.url(), parsed(&self.root()))))
    }

    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.db()).unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        self.sql().query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn parsed(root: &str) -> Root {
    Root::parse(root).unwrap()
}

fn card(number: &[u8]) -> Card<'_> {
    let input = CardInput { expiry: Some((12, 30)), name: Some(b"ADA BYRON"), ..CardInput::new(number, NOW) };
    check(&input).unwrap_or_else(|_| panic!("a good card"))
}

fn token(vault: &Vault, number: &[u8]) -> String {
    vault.tokenize(&card(number), &TokenizeOptions::of("c-1")).unwrap().token.to_string()
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

fn digits(vault: &Vault, token: &str) -> Result<Vec<u8>> {
    Ok(vault.detokenize(token.as_bytes(), "", "test", 19)?.digits().to_vec())
}

#[test]
fn a_token_leads_to_its_card_and_back_also_after_reopening() {
    let place = Place::new();
    let token = {
        let vault = place.open().unwrap();
        let made = vault.tokenize(&card(VISA), &TokenizeOptions::of("c-1")).unwrap();
        assert!(made.active && !made.reused);
        assert_eq!(made.token.as_str().len(), 48);
        made.token.to_string()
    };
    let vault = place.open_with(|options| options).unwrap();
    let found = vault.lookup(token.as_bytes()).unwrap();
    assert_eq!((found.network.name(), found.masked.as_str()), ("VISA", "424242******4242"));
    assert_eq!((found.last4, &*found.customer, found.epoch), (*b"4242", "c-1", 1));
    assert_eq!(found.expiry.map(|expiry| (expiry.month(), expiry.year())), Some((12, 2030)));
    assert_eq!(digits(&vault, &token).unwrap(), b"4242424242424242");
}

#[test]
fn the_same_card_is_stored_once_and_its_tokens_differ() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let tokens = [token(&vault, VISA), token(&vault, b"4242424242424242"), token(&vault, AMEX)];
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!((place.count("card"), place.count("card_fp"), place.count("instrument")), (2, 2, 3));
}

#[test]
fn merchants_do_not_see_each_others_tokens() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let other = vault.merchant("m2").unwrap();
    let (ours, theirs) = (token(&vault, VISA), token(&other, VISA));
    assert_eq!(place.count("card"), 2, "a card belongs to one merchant");
    for (handle, foreign) in [(&vault, &theirs), (&other, &ours)] {
        assert_eq!(code(handle.lookup(foreign.as_bytes())), Code::Token);
        assert_eq!(code(digits(handle, foreign)), Code::Token);
        assert_eq!(code(handle.deactivate(foreign.as_bytes())), Code::Token);
    }
    drop(vault);
    assert_eq!(digits(&other, &theirs).unwrap(), b"4242424242424242");
}

#[test]
fn detokenizing_is_in_the_audit_trail_with_actor_and_reason() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let token = token(&vault, VISA);
    vault.detokenize(token.as_bytes(), "clerk-7", "refund 7", 19).unwrap();
    vault.detokenize(token.as_bytes(), "", "refund 8", 19).unwrap();
    vault.deactivate(token.as_bytes()).unwrap();
    let sql = place.sql();
    let about =
        format!("select actor || ':' || action || ':' || reason from audit where token = {}", packed(&token));
    let mut query = sql.prepare(&about).unwrap();
    let mut lines: Vec<String> =
        query.query_map([], |row| row.get(0)).unwrap().map(|line| line.unwrap()).collect();
    lines.sort();
    let expected = ["clerk-7:4:refund 7", "till-1:1:", "till-1:4:refund 8", "till-1:6:"];
    assert_eq!(lines, expected);
}

#[test]
fn no_number_leaves_without_a_reason_or_by_a_handle_that_never_reveals() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let token = token(&vault, VISA);
    let lines = place.count("audit");
    let reveal = |reason: &str, room| code(vault.detokenize(token.as_bytes(), "", reason, room));
    assert_eq!(reveal("", 19), Code::Argument);
    assert_eq!(reveal(&"x".repeat(257), 19), Code::Argument);
    assert_eq!(reveal("two\nlines", 19), Code::Argument);
    let till = place.open_with(|options| OpenOptions { no_reveal: true, ..options }).unwrap();
    assert_eq!(place.count("audit"), lines, "nothing was asked for that could be given");
    assert_eq!(code(digits(&till, &token)), Code::Irreversible);
    assert_eq!(code(digits(&till.merchant("m2").unwrap(), &token)), Code::Irreversible);
    assert!(till.lookup(token.as_bytes()).is_ok());
    let lines = lines + 2;
    assert_eq!(place.count("audit"), lines, "who was refused is on record");
    assert_eq!(reveal("test", 15), Code::Buffer);
    assert_eq!(place.count("audit"), lines + 1, "how long a number is, is something of it");
}

#[test]
fn a_deactivated_token_can_be_looked_up_and_not_detokenized() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let token = token(&vault, VISA);
    vault.deactivate(token.as_bytes()).unwrap();
    vault.deactivate(token.as_bytes()).unwrap();
    assert!(!vault.lookup(token.as_bytes()).unwrap().active);
    assert_eq!(code(digits(&vault, &token)), Code::Inactive);
}

#[test]
fn what_is_no_token_gets_the_answer_of_an_unknown_one() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let long = "a".repeat(65);
    for token in ["", "x", "4242424242424242", "with space", "\u{e9}", &long, &"0".repeat(48)] {
        assert_eq!(code(vault.lookup(token.as_bytes())), Code::Token, "{token}");
        assert_eq!(code(digits(&vault, token)), Code::Token, "{token}");
        assert_eq!(code(vault.deactivate(token.as_bytes())), Code::Token, "{token}");
    }
    assert_eq!(code(vault.lookup(b"\xff\xfe")), Code::Token);
}

#[test]
fn a_customer_or_merchant_that_is_not_of_its_form_is_refused() {
    let place = Place::new();
    let vault = place.open().unwrap();
    for id in [&"x".repeat(65), "a\0b", "line\n"] {
        assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::of(id))), Code::Argument);
        assert_eq!(code(vault.merchant(id)), Code::Argument);
        let (url, root) = (place.url(), place.root());
        let options = OpenOptions { merchant: id, ..OpenOptions::new(&url, parsed(&root)) };
        assert_eq!(code(Vault::open(&options)), Code::Argument);
    }
    assert_eq!(place.count("instrument"), 0);
}

#[test]
fn another_root_key_does_not_open_the_vault() {
    let (place, other) = (Place::new(), Place::new());
    token(&place.open().unwrap(), VISA);
    let open = |root: &str| {
        Vault::open(&OpenOptions { create: true, ..OpenOptions::new(&place.url(), parsed(root)) })
    };
    assert_eq!(code(open(&other.root())), Code::RootKey);
    assert_eq!(code(open("file:/no/such/file")), Code::RootKey);
    assert!(open(&place.root()).is_ok());
}

#[test]
fn what_is_no_vault_is_refused_and_left_as_it_is() {
    let place = Place::new();
    assert_eq!(code(place.open_with(|options| options)), Code::NotAVault, "absent");
    assert!(!place.db().exists());
    let foreign = {
        place.sql().execute_batch("create table mine (x); insert into mine values (1)").unwrap();
        std::fs::read(place.db()).unwrap()
    };
    for content in [foreign.clone(), b"not a database".to_vec(), vec![0; 100_000], foreign[..50].to_vec()] {
        std::fs::write(place.db(), &content).unwrap();
        for create in [false, true] {
            let opened = place.open_with(|options| OpenOptions { create, ..options });
            assert_eq!(code(opened), Code::NotAVault);
            assert!(std::fs::read(place.db()).unwrap() == content, "the file was changed");
        }
    }
    std::fs::remove_file(place.db()).unwrap();
    std::fs::create_dir(place.db()).unwrap();
    assert_eq!(code(place.open()), Code::NotAVault);
}

#[test]
fn without_a_root_key_no_file_is_made() {
    let place = Place::new();
    let (url, root) = (place.url(), parsed("file:/no/such/file"));
    let opened = Vault::open(&OpenOptions { create: true, ..OpenOptions::new(&url, root) });
    assert_eq!(code(opened), Code::RootKey);
    assert!(!place.db().exists());
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.open().unwrap());
    place.sql().pragma_update(None, "user_version", 1000).unwrap();
    assert_eq!(code(place.open()), Code::SchemaNewer);
}

#[test]
fn a_url_that_names_no_vault_is_an_argument_error() {
    let place = Place::new();
    for url in ["", "cards.db", "sqlite:", "mysql://x", "sqlite:a\0b", "sqlite::memory:"] {
        assert_eq!(code(Vault::open(&OpenOptions::new(url, parsed(&place.root())))), Code::Argument, "{url}");
    }
}

#[cfg(unix)]
#[test]
fn the_vaults_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let vault = place.open().unwrap();
    token(&vault, VISA);
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", file.file_name());
    }
}

/// As another program or a mount may have made them.
#[cfg(unix)]
#[test]
fn a_vault_that_others_could_read_is_made_its_owners_alone_when_it_is_opened() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let open_to_all = || std::fs::Permissions::from_mode(0o666);
    std::fs::write(place.db(), b"").unwrap();
    std::fs::set_permissions(place.db(), open_to_all()).unwrap();
    assert_eq!(code(place.open_with(|options| options)), Code::NotAVault);
    let mode = |file: &std::path::Path| file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.db()), 0o666, "what is no vault is left as it is");
    let vault = place.open().unwrap();
    assert_eq!(mode(&place.db()), 0o600);
    token(&vault, VISA);
    for name in ["cards.db", "cards.db-wal", "cards.db-shm"] {
        std::fs::set_permissions(place.folder.path().join(name), open_to_all()).unwrap();
    }
    let _second = place.open().unwrap();
    for name in ["cards.db", "cards.db-wal", "cards.db-shm"] {
        assert_eq!(mode(&place.folder.path().join(name)), 0o600, "{name}");
    }
}

/// What a writer of the file without keys does to the tables themselves.
const CHANGED_TABLES: [(&str, &str); 7] = [
    (
        "a trigger that swallows lines of the audit trail",
        "create trigger t before insert on audit begin select raise(ignore); end",
    ),
    (
        "a trigger that swallows tokens",
        "create trigger t before insert on instrument begin select raise(ignore); end",
    ),
    ("a unique index that is gone", "drop index instrument_token"),
    ("an index of somebody else's", "create unique index more on card (last4)"),
    ("a column that computes itself", "alter table card add column more text as (last4)"),
    (
        "a view in the place of a table",
        "alter table tombstone rename to hidden; create view tombstone as select * from hidden",
    ),
    (
        "a key that gives way",
        "pragma writable_schema = on;
         update sqlite_schema set sql = replace(sql, 'primary key (merchant, fingerprint)',
             'primary key (merchant, fingerprint) on conflict ignore') where name = 'card_fp';
         pragma schema_version = 1000",
    ),
];

#[test]
fn tables_whose_form_somebody_has_changed_are_refused_at_once_and_at_the_next_opening() {
    for (what, change) in CHANGED_TABLES {
        let place = Place::new();
        let vault = place.open().unwrap();
        let token = token(&vault, VISA);
        place.sql().execute_batch(change).unwrap();
        assert_eq!(code(vault.tokenize(&card(AMEX), &TokenizeOptions::default())), Code::Tampered, "{what}");
        assert_eq!(code(digits(&vault, &token)), Code::Tampered, "{what}");
        assert_eq!(code(vault.delete(token.as_bytes())), Code::Tampered, "{what}");
        drop(vault);
        assert_eq!(code(place.open()), Code::Tampered, "{what}");
    }
}

#[test]
fn tables_of_a_hosts_own_beside_the_vaults_are_fine() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let own = "create table mine (x integer primary key, y text unique);
               create trigger mine_too after insert on mine begin delete from mine where x = 1; end;
               create index mine_as_well on mine (y, x);
               create view seen as select last4 from card; vacuum";
    place.sql().execute_batch(own).unwrap();
    let token = token(&vault, VISA);
    assert!(digits(&vault, &token).is_ok());
    drop(vault);
    assert!(digits(&place.open().unwrap(), &token).is_ok());
}

/// A token of hexadecimal digits as the tables hold it, as SQLite writes bytes.
fn packed(token: &str) -> String {
    format!("x'01{token}'")
}

/// Each row edits the file behind the vault's back; all of them must be noticed.
#[test]
fn an_edited_row_is_an_error_and_never_another_card() {
    let edits = [
        ("a reactivated token", "update instrument set active = 1 where token = '{a}'"),
        ("a longer expiry", "update instrument set expiry = 209912 where token = '{a}'"),
        ("another customer", "update instrument set customer = 'c-2' where token = '{a}'"),
        ("a huge customer", "update instrument set customer = hex(zeroblob(9999)) where token = '{a}'"),
        ("another time", "update instrument set created_at = 1 where token = '{a}'"),
        ("kept for ever", "update instrument set keep_until = 1 where token = '{a}'"),
        (
            "a re-pointed token",
            "update instrument set card = (select card from instrument where token = '{b}')
                                where token = '{a}'",
        ),
        (
            "swapped seals",
            "update instrument set sealed = (select sealed from instrument where token = '{b}')
                           where token = '{a}'",
        ),
        (
            "a renamed token",
            "delete from instrument where token = '{b}';
                             update instrument set token = '{b}' where token = '{a}'",
        ),
        ("another last4", "update card set last4 = '0000'"),
        ("another IIN", "update card set iin = '411111'"),
        ("another network", "update card set network = 'AMEX'"),
        (
            "a swapped number",
            "create temp table c as select * from card;
                              update card set pan = (select c.pan from c where c.id <> card.id)",
        ),
        ("a lost card", "delete from card"),
        ("an unknown epoch", "update card set pan = cast(x'0100000009' || substr(pan, 6) as blob)"),
        ("an unknown format", "update card set pan = cast(x'02' || substr(pan, 2) as blob)"),
        ("a cut seal", "update card set pan = substr(pan, 1, 20)"),
        ("an empty seal", "update instrument set sealed = x''"),
    ];
    for (what, edit) in edits {
        let place = Place::new();
        let vault = place.open().unwrap();
        let (a, b) = (token(&vault, VISA), token(&vault, AMEX));
        vault.deactivate(a.as_bytes()).unwrap();
        place.sql().execute_batch(&edit.replace("'{a}'", &packed(&a)).replace("'{b}'", &packed(&b))).unwrap();
        let asked = if what == "a renamed token" { &b } else { &a };
        let answers = [
            vault.lookup(asked.as_bytes()).err(),
            digits(&vault, asked).err(),
            vault.deactivate(asked.as_bytes()).err(),
        ];
        for answer in answers {
            assert_eq!(answer.map(|error| error.code()), Some(Code::Tampered), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_seal_is_noticed() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let token = token(&vault, VISA);
    let sql = place.sql();
    let sealed: Vec<u8> = sql.query_row("select pan from card", [], |row| row.get(0)).unwrap();
    for byte in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[byte] ^= 1 << (byte % 8);
        sql.execute("update card set pan = ?1", [&flipped]).unwrap();
        assert_eq!(code(digits(&vault, &token)), Code::Tampered, "byte {byte}");
    }
    sql.execute("update card set pan = ?1", [&sealed]).unwrap();
    assert!(digits(&vault, &token).is_ok());
}

#[test]
fn a_fingerprint_pointed_at_another_card_does_not_get_that_card_a_token() {
    let place = Place::new();
    let vault = place.open().unwrap();
    token(&vault, VISA);
    token(&vault, AMEX);
    let swap = "create temp table f as select * from card_fp;
                update card_fp set card = (select f.card from f where f.card <> card_fp.card)";
    place.sql().execute_batch(swap).unwrap();
    assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::of(""))), Code::Tampered);
    assert_eq!(place.count("instrument"), 2);
}

#[test]
fn a_busy_database_is_said_to_be_busy() {
    let place = Place::new();
    let vault = place
        .open_with(|options| OpenOptions {
            create: true,
            busy_timeout: std::time::Duration::from_millis(50),
            ..options
        })
        .unwrap();
    let token = token(&vault, VISA);
    let other = place.sql();
    other.execute_batch("begin immediate").unwrap();
    assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::of(""))), Code::Busy);
    assert!(vault.lookup(token.as_bytes()).is_ok(), "readers do not wait for a writer");
    other.execute_batch("rollback").unwrap();
    assert!(vault.tokenize(&card(VISA), &TokenizeOptions::of("")).is_ok());
}

#[test]
fn many_threads_and_handles_write_to_one_file() {
    let place = Place::new();
    let vaults: Vec<Vault> = (0..3).map(|_| place.open().unwrap()).collect();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let work = |vault| move || (0..20).map(|_| token(vault, VISA)).collect::<Vec<_>>();
        let threads: Vec<_> = vaults.iter().chain(&vaults).map(|vault| scope.spawn(work(vault))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((place.count("instrument"), place.count("card")), (120, 1));
    for token in tokens {
        assert_eq!(digits(&vaults[0], &token).unwrap(), b"4242424242424242");
    }
}

#[test]
fn many_threads_make_and_open_a_new_vault_at_once() {
    for _ in 0..20 {
        let place = Place::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| token(&place.open().unwrap(), VISA))).collect();
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
        assert_eq!((place.count("instrument"), place.count("epoch")), (8, 4));
    }
}

#[test]
fn a_writer_whose_keys_are_stale_loads_them_again() {
    let place = Place::new();
    let vault = place.open().unwrap();
    place.open().unwrap().rotate().unwrap();
    let token = token(&vault, VISA);
    assert_eq!(vault.lookup(token.as_bytes()).unwrap().epoch, 2);
    assert!(digits(&vault, &token).is_ok());
}

#[test]
fn a_vault_makes_the_tokens_that_need_one_and_no_others() {
    for scheme in ["siv", "siv:letters", "mac", "ff1:0+4"] {
        let place = Place::new();
        let scheme = scheme.parse().unwrap();
        let opened = place.open_with(|options| OpenOptions { create: true, scheme, ..options });
        assert_eq!(code(opened), Code::Argument);
        assert!(!place.db().exists());
    }
    for scheme in ["random", "random:uuid"] {
        let place = Place::new();
        let scheme = scheme.parse().unwrap();
        let vault = place.open_with(|options| OpenOptions { create: true, scheme, ..options }).unwrap();
        let token = token(&vault, VISA);
        assert_eq!(digits(&vault, &token).unwrap(), b"4242424242424242");
    }
}

#[test]
fn a_fingerprint_pointed_at_another_card_does_not_make_find_answer_with_that() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let (visa, amex) = (token(&vault, VISA), token(&vault, AMEX));
    let found = |number| vault.find(card(number).number()).map(|all| all[0].token.to_string());
    assert_eq!((found(VISA).unwrap(), found(AMEX).unwrap()), (visa, amex));
    let swap = "update card_fp set card = (select id from card where id <> card_fp.card)";
    assert_eq!(place.sql().execute(swap, []).unwrap(), 2);
    assert_eq!((code(found(VISA)), code(found(AMEX))), (Code::Tampered, Code::Tampered));
}

#[test]
fn an_idempotency_key_pointed_at_another_customers_token_gives_nobody_that_token() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let make = |customer, key| {
        let options = TokenizeOptions { idempotency_key: key, ..TokenizeOptions::of(customer) };
        vault.tokenize(&card(VISA), &options).map(|made| made.token.to_string())
    };
    let (alice, bob) = (make("alice", "a").unwrap(), make("bob", "b").unwrap());
    assert_eq!((make("alice", "a").unwrap(), make("bob", "b").unwrap()), (alice, bob.clone()));
    let point = format!("update idempotency set token = {}", packed(&bob));
    assert_eq!(place.sql().execute(&point, []).unwrap(), 2);
    assert_eq!(code(make("alice", "a")), Code::Conflict);
    assert_eq!(make("bob", "b").unwrap(), bob);
}

#[test]
fn epochs_that_nobody_destroys_do_not_fill_the_arena() {
    let place = Place::new();
    let vault = place.open().unwrap();
    let other = place.open_with(|options| options).unwrap();
    let first = token(&vault, VISA);
    for epoch in 2..=202 {
        assert_eq!(vault.rotate().unwrap(), epoch);
        token(&vault, AMEX);
    }
    assert_eq!(digits(&vault, &first).unwrap(), b"4242424242424242");
    assert_eq!(digits(&other, &first).unwrap(), b"4242424242424242", "the other handle loads them all");
}
