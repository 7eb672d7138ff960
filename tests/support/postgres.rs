//! PostgreSQL for tests: a cluster of their own in a temporary folder, on a free port of 127.0.0.1, which goes with its
//! value; also when the test's process is killed.
//!
//! A server refuses to run as root, so root starts it as `postgres` or `nobody`. Every connection needs the password.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Time enough for a server to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The superuser whom every URL names; the characters of the password that a URL takes only encoded are on purpose.
pub const USER: &str = "panseal";
/// The password as it is.
pub const PASSWORD: &str = "p@ss/w?rd";
/// The password as it stands in a URL.
pub const PASSWORD_IN_URL: &str = "p%40ss%2Fw%3Frd";
/// The database that every URL names.
pub const DATABASE: &str = "postgres";

/// Whether there is a PostgreSQL to start. Where there is none, says that `test` did not run; under `CI` that fails.
pub fn present(test: &str) -> bool {
    let found = programs().is_some();
    if !found {
        super::not_run(test, "no PostgreSQL here (Debian: apt-get install postgresql)");
    }
    found
}

/// Where `initdb`, `postgres`, `psql`, `pg_basebackup` and `pg_dump` are: the newest of Debian's versions, or on the
/// path.
fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(find_programs).as_deref()
}

fn find_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut debian: Vec<_> =
        versions.map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    debian.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = debian.into_iter().map(|version| version.join("bin")).chain(env::split_paths(&path));
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "psql", "pg_basebackup", "pg_dump"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    folders.into_iter().find(complete)
}

/// How a cluster is to be.
#[derive(Clone, Default)]
pub struct Settings {
    /// Commits are on disk before they return. Off, a test is faster and a `stop_immediate` still loses nothing: that
    /// kills processes, not the machine.
    pub fsync: bool,
    /// The server has a certificate for `localhost` and 127.0.0.1, and takes no connection without TLS.
    pub tls: bool,
    /// Lines of `postgresql.conf`: `("synchronous_standby_names", "'*'")`.
    pub lines: Vec<(&'static str, &'static str)>,
}

/// A server with its data, running or stopped.
pub struct Server {
    folder: Arc<Folder>,
    data: PathBuf,
    port: u16,
    tls: bool,
    running: Option<Child>,
}

impl Server {
    /// Makes a cluster and starts it. [`present`] was asked before.
    pub fn new(settings: &Settings) -> Server {
        let folder = Arc::new(Folder::new());
        let data = folder.path.join("primary");
        let password = folder.path.join("password");
        write(&password, PASSWORD, &folder);
        let mut initdb = folder.program("initdb");
        initdb.args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
            "--username",
            USER,
        ]);
        succeed(initdb.arg("--pwfile").arg(password).arg("--pgdata").arg(&data));
        let mut server = Server { folder, data, port: free_port(), tls: settings.tls, running: None };
        server.configure(settings);
        server.start();
        server
    }

    fn configure(&self, settings: &Settings) {
        let fsync = if settings.fsync { "on" } else { "off" };
        let mut lines = vec![
            ("listen_addresses", "'127.0.0.1'"),
            ("unix_socket_directories", "''"),
            ("fsync", fsync),
            ("shared_buffers", "32MB"),
            ("max_connections", "100"),
            ("timezone", "'UTC'"),
        ];
        let kind = if settings.tls { "hostssl" } else { "host" };
        if settings.tls {
            self.make_certificates();
            lines.push(("ssl", "on"));
        }
        lines.extend(&settings.lines);
        let text: String = lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let main = self.data.join("postgresql.conf");
        write(&main, &(fs::read_to_string(&main).expect("postgresql.conf") + &text), &self.folder);
        let mut access = String::new();
        for database in ["all", "replication"] {
            access += &format!("{kind} {database} all 127.0.0.1/32 scram-sha-256\n");
        }
        write(&self.data.join("pg_hba.conf"), &access, &self.folder);
    }

    /// An authority of the test's own, and the server's certificate, which it has signed.
    fn make_certificates(&self) {
        let at = |name: &str| self.folder.path.join(name);
        let extension = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
        write(&at("server.ext"), extension, &self.folder);
        let run = |line: &str| {
            let mut openssl = self.folder.command("openssl".as_ref());
            succeed(openssl.args(line.split_whitespace()).current_dir(&self.folder.path));
        };
        let fresh = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!("req -x509 {fresh} -days 30 -subj /CN=panseal-tests -keyout root.key -out root.crt"));
        run(&format!("req {fresh} -subj /CN=server -keyout primary/server.key -out server.csr"));
        run(
            "x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 30 -extfile server.ext \
             -out primary/server.crt",
        );
        run(&format!("req -x509 {fresh} -days 30 -subj /CN=somebody-else -keyout other.key -out other.crt"));
        fs::set_permissions(at("primary/server.key"), fs::Permissions::from_mode(0o600))
            .expect("a private key");
    }

    /// The certificate of the authority that has signed the server's, as PEM.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.path.join("root.crt")
    }

    /// The certificate of an authority that has not.
    pub fn other_certificate(&self) -> PathBuf {
        self.folder.path.join("other.crt")
    }

    /// `127.0.0.1:PORT`, the same for the server's whole life.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A URL with user, password and database.
    pub fn url(&self) -> String {
        url(&[self])
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a log");
        // What a killed server has left says 'ready' still.
        let _ = fs::remove_file(self.data.join("postmaster.pid"));
        let mut postgres = self.folder.program("postgres");
        postgres.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        // In a group of its own: an interrupt at the terminal is for the test.
        let child =
            postgres.stdout(Stdio::null()).stderr(log).process_group(0).spawn().expect("postgres starts");
        self.running = Some(child);
        self.wait_until("ready", |server| {
            // The file's last line says what the server has come to.
            let state = fs::read_to_string(server.data.join("postmaster.pid")).unwrap_or_default();
            ["ready", "standby"].contains(&state.lines().nth(7).unwrap_or_default().trim())
        });
    }

    /// Stops the server as a crash would: no farewell, no checkpoint; the next start recovers from the log.
    pub fn stop_immediate(&mut self) {
        self.stop(libc::SIGQUIT);
    }

    /// Stops the server in order; its connections are ended.
    pub fn stop_fast(&mut self) {
        self.stop(libc::SIGINT);
    }

    fn stop(&mut self, signal: i32) {
        let mut child = self.running.take().expect("a running server");
        send(child.id(), signal);
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("the state of the server").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("a server that can be killed");
                child.wait().expect("the end of the server");
                panic!("the server did not stop: {}", self.last_words());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Crashes the server and starts it again.
    pub fn restart(&mut self) {
        self.stop_immediate();
        self.start();
    }

    /// Stops all processes where they stand, as a machine does whose disk hangs: they keep their connections, the
    /// kernel takes new ones, and nobody answers.
    pub fn freeze(&self) {
        self.each_process(libc::SIGSTOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.each_process(libc::SIGCONT);
    }

    fn each_process(&self, signal: i32) {
        let parent = self.running.as_ref().expect("a running server").id();
        send(parent, signal);
        let children =
            fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            send(child.parse().expect("a process id"), signal);
        }
    }

    /// A URL with user and password, and another database.
    pub fn url_of(&self, database: &str) -> String {
        let url = self.url();
        let server = url.rfind('/').expect("a URL ends with its database");
        format!("{}/{database}", &url[..server])
    }

    /// Ends all other connections from the server's side, and says how many there were.
    pub fn cut_connections(&self) -> usize {
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                   where pid <> pg_backend_pid() and backend_type = 'client backend'";
        self.sql(cut).parse().expect("a number")
    }

    /// Runs SQL in a session of its own, which is not the library's, and gives the rows: columns parted by `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in(DATABASE, sql)
    }

    /// [`Server::sql`] in another database.
    pub fn sql_in(&self, database: &str, sql: &str) -> String {
        let mut psql = self.folder.program("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, "-U", USER, "-d", database]);
        // Whatever the server's own default: a standby takes no serializable transaction.
        psql.env("PGOPTIONS", "-c default_transaction_isolation=read\\ committed");
        let port = self.port.to_string();
        succeed(psql.args(["-h", "127.0.0.1", "-p", &port]).env("PGPASSWORD", PASSWORD)).trim_end().to_owned()
    }

    /// All of the database as text, as a backup has it.
    pub fn dump(&self) -> String {
        let mut dump = self.folder.program("pg_dump");
        dump.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, DATABASE]);
        succeed(dump.env("PGPASSWORD", PASSWORD))
    }

    /// A standby that streams from this server and has all it had when this was called.
    pub fn replica(&self) -> Server {
        let port = free_port();
        let data = self.folder.path.join(format!("replica-{port}"));
        let mut backup = self.folder.program("pg_basebackup");
        backup
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER])
            .env("PGPASSWORD", PASSWORD);
        succeed(backup.args(["--no-sync", "--checkpoint=fast", "-X", "stream", "-R", "-D"]).arg(&data));
        let mut replica =
            Server { folder: Arc::clone(&self.folder), data, port, tls: self.tls, running: None };
        replica.start();
        replica.catch_up_with(self);
        replica
    }

    /// Waits until all that `primary` has written so far is here.
    pub fn catch_up_with(&self, primary: &Server) {
        let written = primary.sql("select pg_current_wal_lsn()");
        let here = format!("select coalesce(pg_last_wal_replay_lsn() >= '{written}', false)");
        self.wait_until("as far as its primary", |server| server.sql(&here) == "t");
    }

    /// Makes a standby the primary, and returns when it takes writes.
    pub fn promote(&self) {
        assert_eq!(self.sql("select pg_promote(true)"), "t", "the standby was not promoted");
        assert_eq!(self.sql("show transaction_read_only"), "off");
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Server) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "the server is not {what}: {}", self.last_words());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// All that the server has logged.
    pub fn whole_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The end of the server's log.
    pub fn last_words(&self) -> String {
        self.whole_log()
            .lines()
            .rev()
            .take(10)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Where the server keeps its data, for a search of its files.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // A frozen server would not hear anything else.
            send(child.id(), libc::SIGCONT);
            send(child.id(), libc::SIGQUIT);
            let _ = child.wait();
        }
    }
}

/// A URL that names several servers, to be tried in this order.
pub fn url(servers: &[&Server]) -> String {
    let hosts: Vec<_> = servers.iter().map(|server| server.address()).collect();
    format!("postgres://{USER}:{PASSWORD_IN_URL}@{}/{DATABASE}", hosts.join(","))
}

/// The folder of a cluster and its replicas. A shell holds the other end of a pipe: when this value goes, or the
/// process dies in whatever way, it ends what still runs and removes the folder.
struct Folder {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    guard: Child,
}

impl Folder {
    fn new() -> Folder {
        let path = tempfile::Builder::new().prefix("panseal-pg-").tempdir().expect("a folder").keep();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).expect("a folder of the server's user");
        }
        let end = "cat >/dev/null; cd /; for file in \"$1\"/*/postmaster.pid; do \
                   test -f \"$file\" && kill -QUIT $(head -n 1 \"$file\"); done 2>/dev/null; \
                   for wait in 1 2 3 4 5; do rm -rf \"$1\" 2>/dev/null && break; sleep 1; done";
        let mut guard = Command::new("sh");
        guard.args(["-c", end, "sh"]).arg(&path).stdin(Stdio::piped()).process_group(0);
        let guard = guard.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sh starts");
        Folder { path, owner, guard }
    }

    fn program(&self, name: &str) -> Command {
        self.command(programs().expect("PostgreSQL, which `present` has found").join(name).as_os_str())
    }

    /// A command as the server's user, with no setting of the caller's that PostgreSQL would heed.
    fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("HOME", &self.path).current_dir("/").stdin(Stdio::null());
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// For root, the user whom a server may run as.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().expect("id starts");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let known = ["postgres", "nobody"].into_iter().find_map(|name| id(&["-u", name]).zip(id(&["-g", name])));
    Some(known.expect("a user postgres or nobody"))
}

fn write(path: &Path, text: &str, folder: &Folder) {
    fs::write(path, text).expect("a file for the server");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a private file");
    if let Some((user, group)) = folder.owner {
        chown(path, Some(user), Some(group)).expect("a file of the server's user");
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} failed:\n{said}", command.get_program());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn send(process: u32, signal: i32) {
    let process = libc::pid_t::try_from(process).expect("a process id");
    // SAFETY: the id is of a child that was not waited for yet, or of a child of that.
    unsafe { libc::kill(process, signal) };
}
