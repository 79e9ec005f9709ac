//! The lab itself: nodes boot, are reached, lose power and network, and leave nothing behind.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use keel_tests::lab::{Image, Lab, Place};

#[test]
fn lab_nodes_boot_are_cut_killed_and_rebooted() {
    let Some(lab) = Lab::for_test(&["n1", "n2"], &Image::bare()) else { return };
    let (n1, n2) = (lab.node("n1"), lab.node("n2"));
    assert_eq!(n1.exec(&["hostname"]).unwrap().ok(), "n1");
    assert_eq!(n1.exec(&["false"]).unwrap().status, 1);
    assert_ne!(n1.shell("cat /etc/machine-id").unwrap().ok(), n2.shell("cat /etc/machine-id").unwrap().ok());

    let reaches = || n1.exec(&["ping", "-c1", "-W1", "n2"]).unwrap().success();
    assert!(reaches());
    lab.cut("n1", "n2").unwrap();
    assert!(!reaches());
    lab.heal().unwrap();
    assert!(reaches());
    n2.unplug().unwrap();
    assert!(!reaches());
    lab.heal().unwrap();
    assert!(reaches());

    n1.shell("echo kept >/root/note").unwrap().ok();
    let boot = n1.shell("cut -d. -f1 /proc/1/stat").unwrap().ok();
    n1.kill().unwrap();
    assert!(n1.exec(&["true"]).is_err());
    n1.start().unwrap();
    n1.wait_booted().unwrap();
    assert_eq!(n1.shell("cat /root/note").unwrap().ok(), "kept");
    n1.reboot().unwrap();
    assert_eq!(n1.shell("cat /root/note").unwrap().ok(), "kept");
    assert_ne!(n1.shell("cut -d. -f1 /proc/1/stat").unwrap().ok(), boot);
}

#[test]
fn lab_nodes_take_files_and_packages() {
    let Some(lab) = Lab::for_test(&["n1"], &Image::bare()) else { return };
    let node = lab.node("n1");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("inner/file"), "content\n").unwrap();
    node.copy_in(folder.path(), "/srv/copy").unwrap();
    assert_eq!(node.shell("cat /srv/copy/inner/file").unwrap().ok(), "content");
    node.copy_in(&folder.path().join("inner/file"), "/srv/one/alone").unwrap();
    let back = folder.path().join("back");
    node.copy_out("/srv/one/alone", &back).unwrap();
    assert_eq!(std::fs::read_to_string(&back).unwrap(), "content\n");
    assert!(node.copy_out("/srv/none", &back).is_err());
    node.copy_out("/srv/copy", &folder.path().join("tree")).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("tree/inner/file")).unwrap(), "content\n");

    node.shell("apt-get -q -y install tree").unwrap().ok();
    assert_eq!(node.shell("tree --noreport /srv/one | tail -1 | tr -dc a-z").unwrap().ok(), "alone");
    assert!(!node.exec(&["ping", "-c1", "-W1", "192.0.2.1"]).unwrap().success(), "a node has no way out");
}

#[test]
fn lab_leaves_nothing_behind_when_a_test_panics() {
    if Lab::for_test(&["n1"], &Image::bare()).is_none() {
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let lab = Lab::for_test(&["n1"], &Image::bare()).unwrap();
        assert!(TcpStream::connect((lab.node("n1").address(), 9)).is_err());
        panic!("the test fails");
    });
    assert!(outcome.is_err());
    let nodes = std::fs::read_dir(Place::of_this_machine().nodes()).unwrap().count();
    assert_eq!(nodes, 0);
    assert!(!std::path::Path::new("/sys/class/net/keel0").exists());
}

#[test]
fn lab_cleans_up_after_one_that_was_killed() {
    if Lab::for_test(&[], &Image::bare()).is_none() {
        return;
    }
    let mut dead =
        Command::new(env!("CARGO_BIN_EXE_lab")).args(["up", "n1", "n2"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(dead.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("n2 is up")));
    dead.kill().unwrap();
    dead.wait().unwrap();
    let lab = Lab::for_test(&["n1"], &Image::bare()).unwrap();
    assert_eq!(lab.node("n1").exec(&["hostname"]).unwrap().ok(), "n1");
    assert_eq!(std::fs::read_dir(Place::of_this_machine().nodes()).unwrap().count(), 1);
}
