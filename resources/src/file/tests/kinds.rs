//! Files, directories, links and nothing, in place of each other.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn absent_removes_files_links_and_empty_directories() {
    let trial = Trial::new();
    let absent = [("ensure", text("absent"))];
    trial.write("/file", "x");
    trial.write("/target", "x");
    symlink("target", trial.path("/link")).unwrap();
    std::fs::create_dir(trial.path("/folder")).unwrap();
    assert_eq!(converge(&trial, "/file", &absent).unwrap(), ["- ensure: file -> absent"]);
    assert_eq!(converge(&trial, "/link", &absent).unwrap(), ["- ensure: link -> absent"]);
    assert_eq!(converge(&trial, "/folder", &absent).unwrap(), ["- ensure: directory -> absent"]);
    assert_eq!(converge(&trial, "/file", &absent).unwrap(), Vec::<String>::new());
    assert_eq!(converge(&trial, "/no/such/folder", &absent).unwrap(), Vec::<String>::new());
    assert_eq!(names(&trial, "/"), ["target"]);
}

#[test]
fn a_full_directory_goes_only_by_force() {
    let trial = Trial::new();
    trial.write("/d/x/y", "");
    let error = plan(&trial, "/d", &[("ensure", text("absent"))]).unwrap_err();
    assert!(error.contains("not empty"), "{error}");
    converge(&trial, "/d", &[("ensure", text("absent")), ("force", Value::Bool(true))]).unwrap();
    assert!(!trial.exists("/d"));
}

#[test]
fn force_removes_a_link_and_not_what_it_points_to() {
    let trial = Trial::new();
    trial.write("/real/x", "");
    symlink("real", trial.path("/link")).unwrap();
    trial.write("/d/x", "");
    symlink("/real", trial.path("/d/link")).unwrap();
    let gone = [("ensure", text("absent")), ("force", Value::Bool(true))];
    converge(&trial, "/link", &gone).unwrap();
    converge(&trial, "/d", &gone).unwrap();
    assert_eq!(names(&trial, "/real"), ["x"]);
    assert_eq!(names(&trial, "/"), ["real/"]);
}

#[test]
fn a_directory_takes_the_place_of_a_file() {
    let trial = Trial::new();
    trial.write("/a", "x");
    assert_eq!(converge(&trial, "/a", &[("ensure", text("directory"))]).unwrap(), ["~ ensure: file -> directory"]);
    assert_eq!(names(&trial, "/"), ["a/"]);
}

#[test]
fn a_file_takes_the_place_of_a_directory_only_by_force() {
    let trial = Trial::new();
    trial.write("/a/x", "");
    let error = plan(&trial, "/a", &[("content", text("new"))]).unwrap_err();
    assert!(error.contains("a directory stands at /a"), "{error}");
    converge(&trial, "/a", &[("content", text("new")), ("force", Value::Bool(true))]).unwrap();
    assert_eq!(trial.read("/a"), "new");
}

#[test]
fn links_are_made_retargeted_and_may_dangle() {
    let trial = Trial::new();
    assert_eq!(
        converge(&trial, "/l", &[("target", text("/no/such"))]).unwrap(),
        ["+ ensure: absent -> link", "+ target: absent -> /no/such"]
    );
    assert_eq!(converge(&trial, "/l", &[("target", text("../other"))]).unwrap(), ["~ target: /no/such -> ../other"]);
    assert_eq!(std::fs::read_link(trial.path("/l")).unwrap().to_str(), Some("../other"));
    trial.write("/f", "x");
    assert_eq!(
        converge(&trial, "/f", &[("ensure", text("link")), ("target", text("l"))]).unwrap(),
        ["~ ensure: file -> link", "+ target: absent -> l"]
    );
}

#[test]
fn content_on_a_link_replaces_the_link_or_goes_through_it() {
    let trial = Trial::new();
    trial.write("/real", "old");
    symlink("real", trial.path("/link")).unwrap();
    converge(&trial, "/link", &[("content", text("through")), ("links", text("follow")), ("mode", text("0600"))]).unwrap();
    assert_eq!((trial.read("/real").as_str(), mode(&trial, "/real")), ("through", 0o600));
    assert!(trial.path("/link").is_symlink());
    converge(&trial, "/link", &[("content", text("instead"))]).unwrap();
    assert_eq!((trial.read("/real").as_str(), trial.read("/link").as_str()), ("through", "instead"));
    assert!(!trial.path("/link").is_symlink());
}

#[test]
fn a_mode_on_a_link_is_not_managed() {
    let trial = Trial::new();
    trial.write("/real", "x");
    symlink("real", trial.path("/link")).unwrap();
    assert_eq!(converge(&trial, "/link", &[("mode", text("0600"))]).unwrap(), Vec::<String>::new());
    assert_eq!(mode(&trial, "/real"), 0o644);
}

#[test]
fn a_pipe_is_kept_when_anything_may_stand_there() {
    let trial = Trial::new();
    nix::unistd::mkfifo(&trial.path("/pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert_eq!(converge(&trial, "/pipe", &[("ensure", text("present"))]).unwrap(), Vec::<String>::new());
    assert_eq!(converge(&trial, "/pipe", &[("ensure", text("file"))]).unwrap(), ["~ ensure: fifo -> file"]);
    assert!(trial.path("/pipe").is_file());
}
