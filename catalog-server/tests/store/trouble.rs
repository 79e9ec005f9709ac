//! Databases that go away, fill up or are damaged.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keel_server::store::{Database, Store, StoreError};

use crate::postgres::Cluster;
use crate::sample::{report, with_host};
use crate::small_disk::SmallDisk;
use crate::{place, run};

/// Sends until it is acknowledged, as an agent does.
async fn deliver(store: &Store, host: &str, sequence: u64) {
    while let Err(error) = store.keep_report(host, &report(host, sequence, Vec::new())).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn postgres_stopped_and_started_under_load_loses_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    run(async {
        let place = place::Place::url(cluster.database("load"));
        let store = place.open().await;
        let hosts: Vec<String> = (0..6).map(|number| format!("h-{number}")).collect();
        for host in &hosts {
            with_host(&store, host).await;
        }
        let over = Arc::new(AtomicBool::new(false));
        let mut agents = tokio::task::JoinSet::new();
        for host in hosts.clone() {
            let (store, over) = (store.clone(), Arc::clone(&over));
            agents.spawn(async move {
                let mut sequence = 0;
                while !over.load(Ordering::Relaxed) {
                    sequence += 1;
                    deliver(&store, &host, sequence).await;
                }
                (host, sequence)
            });
        }
        let watch = store.watch(vec![keel_server::store::Topic::Word("h-0".to_owned())]);
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            tokio::task::block_in_place(|| {
                cluster.down();
                cluster.up();
            });
            watch.changed().await;
        }
        over.store(true, Ordering::Relaxed);
        for (host, sent) in agents.join_all().await {
            let reports = store.reports(Some(&host), None, 100_000).await.unwrap().reports;
            assert_eq!(reports.len() as u64, sent, "{host}");
        }
        let fleet = store.fleet(&keel_server::store::StatusFilter { limit: 100, ..Default::default() }).await.unwrap();
        assert!(fleet.hosts.iter().all(|host| host.missing_reports == 0));
        // Wake-ups between servers come back as well.
        let (other, watch) = (place.open().await, store.watch(vec![keel_server::store::Topic::Node("h-0".to_owned())]));
        tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                other.follow("h-0", "main", "alice").await.unwrap();
                if tokio::time::timeout(Duration::from_millis(500), watch.changed()).await.is_ok() {
                    break;
                }
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_full_disk_is_said_and_what_is_there_is_read() {
    let Some(disk) = SmallDisk::mount("1m") else { return };
    let database = Database::Sqlite(disk.path().join("store.db"));
    run(async {
        let store = Store::open(&database).await.unwrap();
        with_host(&store, "db-1").await;
        let filler = disk.path().join("filler");
        // Written to the last byte, which fails at the end.
        let _ = std::fs::write(&filler, vec![0; 1 << 20]);
        let mut kept = 0;
        let full = loop {
            match store.keep_report("db-1", &report("db-1", kept + 1, Vec::new())).await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, StoreError::Full(_)), "{full}");
        assert_eq!(full.problem().status, 503, "agents keep what they have");
        assert_eq!(store.reports(Some("db-1"), None, 1000).await.unwrap().reports.len() as u64, kept);
        assert!(store.listed("serial-db-1").await.unwrap().unwrap().is_good());
        std::fs::remove_file(&filler).unwrap();
        store.keep_report("db-1", &report("db-1", kept + 1, Vec::new())).await.unwrap();
        store.close().await;
        assert_eq!(Store::open(&database).await.unwrap().damage(), None);
    });
}

#[test]
fn a_damaged_file_is_read_and_not_written() {
    let place = place::Place::file();
    let Database::Sqlite(path) = place.database.clone() else { unreachable!() };
    run(async {
        let store = place.open().await;
        with_host(&store, "db-1").await;
        for sequence in 1..=200 {
            store.keep_report("db-1", &report("db-1", sequence, Vec::new())).await.unwrap();
        }
        store.close().await;
    });
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let size = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(size - 4096 * 3)).unwrap();
    file.write_all(&[0x55; 4096 * 3]).unwrap();
    drop(file);
    run(async {
        let store = place.open().await;
        assert!(store.damage().is_some());
        let answer = store.keep_report("db-1", &report("db-1", 201, Vec::new())).await;
        assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
        assert!(store.listed("serial-db-1").await.unwrap().unwrap().is_good(), "what can be read is read");
    });
}

#[test]
fn a_file_of_a_newer_server_is_left_alone() {
    let place = place::Place::file();
    let Database::Sqlite(path) = place.database.clone() else { unreachable!() };
    run(async {
        place.open().await.close().await;
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        sqlx::query("INSERT INTO migrations (step) VALUES (99)").execute(&pool).await.unwrap();
        pool.close().await;
        assert!(matches!(Store::open(&place.database).await, Err(StoreError::Newer { .. })));
    });
}

#[test]
fn what_is_no_database_is_not_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, "this is a letter, and no database, and longer than the header that one would have").unwrap();
    run(async {
        let error = Store::open(&Database::Sqlite(path.clone())).await.err().unwrap().to_string();
        assert!(error.contains("store.db"), "{error}");
    });
}
