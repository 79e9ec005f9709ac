//! Floods over HTTP/2, row A11: what asks for too much loses its connection, and everybody else is served.

use keel_tests::server::CatalogServer;
use keel_tests::server::frames::{END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GET, POST, kind};

/// Pieces of a flood; no server should take them all.
const PIECES: u32 = 2_000;
/// Frames of a piece.
const FRAMES: u32 = 100;

/// Sends pieces until the server has had enough, and returns the reason that it gave for the end.
fn flood(server: &CatalogServer, begin: impl Fn(&mut Frames), piece: impl Fn(&mut Frames, u32)) -> Option<u32> {
    let before = server.usage().cpu_seconds;
    let mut frames = Frames::open(&server.agent(None)).unwrap();
    begin(&mut frames);
    let taken = (0..PIECES).take_while(|number| {
        (0..FRAMES).for_each(|frame| piece(&mut frames, number * FRAMES + frame));
        frames.send().is_ok()
    });
    let taken = taken.count();
    assert_eq!(server.agent(None).get("/v1/live").unwrap().status, 200);
    assert!(taken < PIECES as usize, "the server took the whole flood");
    let reason = frames.end();
    let took = server.usage().cpu_seconds - before;
    assert!(took < 5.0, "the flood cost the server {took} s of processor time");
    reason
}

#[test]
fn http_2_is_spoken() {
    let server = CatalogServer::start();
    let mut frames = Frames::open(&server.agent(None)).unwrap();
    frames.add(kind::HEADERS, END_HEADERS | END_STREAM, 1, GET);
    frames.send().unwrap();
    let head = std::iter::from_fn(|| frames.read()).find(|(kind, _, _)| *kind == kind::HEADERS).unwrap();
    // The static table of HPACK has `:status: 200` at its eighth place.
    assert_eq!((head.1, head.2[0]), (1, 0x88));
}

#[test]
fn floods_end_their_connection_and_no_other() {
    let server = CatalogServer::start();
    let stream = |number: u32| 2 * number + 1;
    let resets = flood(
        &server,
        |_| {},
        |frames, number| {
            frames.add(kind::HEADERS, END_HEADERS | END_STREAM, stream(number), GET);
            frames.add(kind::RST_STREAM, 0, stream(number), &8_u32.to_be_bytes());
        },
    );
    let streams = flood(&server, |_| {}, |frames, number| frames.add(kind::HEADERS, END_HEADERS, stream(number), POST));
    let heads = flood(
        &server,
        |frames| frames.add(kind::HEADERS, 0, 1, GET),
        |frames, number| frames.add(kind::CONTINUATION, 0, 1, format!("\x00\x04x-{:02}\x01y", number % 100).as_bytes()),
    );
    let empty = flood(&server, |frames| frames.add(kind::HEADERS, END_HEADERS, 1, POST), |frames, _| frames.add(kind::DATA, 0, 1, b""));
    for (name, reason) in [("resets", resets), ("streams", streams), ("heads", heads), ("empty data", empty)] {
        // A connection that is reset while the flood still comes may take the server's last word with it.
        assert!(matches!(reason, None | Some(ENHANCE_YOUR_CALM)), "{name}: {reason:?}");
    }
}
