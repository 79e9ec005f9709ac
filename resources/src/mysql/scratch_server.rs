//! A MariaDB of the tests' own: one a process, which the scratch hosts take in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::host::Host;
use crate::host::sql::SOCKET;
use crate::host::statement::Statement;

/// What the server holds when a scratch host gets it: a database, an account and what it may do, and one who asks.
const FIXTURE: &[&str] = &[
    "CREATE DATABASE old CHARACTER SET latin1",
    "CREATE TABLE old.t (id int, n int)",
    "CREATE USER old@localhost IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 3",
    "GRANT SELECT, DROP ON old.* TO old@localhost",
    "GRANT UPDATE (n) ON old.t TO old@localhost",
    "CREATE USER asker@localhost IDENTIFIED BY 'pass-word'",
    "SET GLOBAL max_connections = 151",
    "SET GLOBAL init_connect = ''",
];

/// What the tables of the system are made with.
const TABLES: [&str; 3] = ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];
const SCRIPTS: &str = "/usr/share/mysql";
const PROGRAM: &str = "/usr/sbin/mariadbd";

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// The server, for as long as it is somebody's.
pub(crate) type Turn = MutexGuard<'static, Option<Server>>;

/// A server that runs. The kernel ends it with the thread that started it.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this machine and user can have one.
pub(crate) fn is_possible() -> bool {
    nix::unistd::Uid::effective().is_root() && Path::new(PROGRAM).exists()
}

/// Gives the server, made anew, to a scratch host.
pub(crate) fn lend_to(host: &Host) -> Turn {
    let mut turn = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let is_alive = turn.as_mut().is_some_and(|server| matches!(server.child.try_wait(), Ok(None)));
    if !is_alive {
        *turn = Some(Server::start());
    }
    let socket = host.locate(SOCKET);
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let server = turn.as_ref().unwrap();
    std::os::unix::fs::symlink(server.socket(), &socket).unwrap();
    server.wait_for(host);
    reset(host);
    turn
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut script = String::from("create database mysql;\nuse mysql;\nset @auth_root_socket='root';\nset @skip_auth_anonymous=1;\n");
        TABLES.iter().for_each(|file| script.push_str(&fs::read_to_string(Path::new(SCRIPTS).join(file)).unwrap()));
        fs::write(folder.path().join("tables.sql"), script).unwrap();
        let tables = fs::File::open(folder.path().join("tables.sql")).unwrap();
        let made = server(&data).args(["--bootstrap"]).stdin(tables).status().unwrap();
        assert!(made.success(), "MariaDB did not make its tables: {made}");
        let socket = folder.path().join("socket");
        let mut program = server(&data);
        program.args(["--skip-networking", "--log-bin=log", "--server-id=1"]).arg(format!("--socket={}", socket.display()));
        Self { child: program.stdin(Stdio::null()).spawn().unwrap(), folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn wait_for(&self, host: &Host) {
        while let Err(error) = host.sql(None) {
            assert!(Path::new(&format!("/proc/{}", self.child.id())).exists(), "MariaDB ended: {error:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn server(data: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", PROGRAM, "--no-defaults", "--user=root", "--log-warnings=0"]);
    command.args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0"]);
    command.arg(format!("--datadir={}", data.display())).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Makes the server as it is for everybody.
fn reset(host: &Host) {
    let sql = host.sql(None).unwrap();
    let list = |query: &'static str| sql.rows(&Statement::new(query)).unwrap();
    for row in list(
        "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema')",
    ) {
        sql.run(&Statement::new("DROP DATABASE ").name(row.text("name"))).unwrap();
    }
    for row in list("SELECT User, Host FROM mysql.user WHERE User NOT IN ('root', 'mariadb.sys')") {
        sql.run(&Statement::new("DROP USER ").account(row.text("User"), row.text("Host"))).unwrap();
    }
    FIXTURE.iter().for_each(|statement| sql.run(&Statement::new(statement)).unwrap());
}
