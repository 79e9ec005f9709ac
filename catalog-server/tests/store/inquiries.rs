//! Inquiries: who is asked, who hears, whose answer counts.

use std::time::Duration;

use keel_engine::protocol::inquiries::Reply;
use keel_engine::protocol::news::News;
use keel_server::store::{About, NewInquiry, Store, Topic};

use crate::place::Place;
use crate::sample::with_host;

fn inquiry(id: &str, deadline_s: u64, hosts: &[&str]) -> NewInquiry {
    let about =
        About { reference: "next".to_owned(), commit: format!("commit-{id}"), site: "s".to_owned(), by: "kim".to_owned(), deadline_s };
    let hosts = hosts.iter().map(|host| ((*host).to_owned(), vec!["all".to_owned()])).collect();
    NewInquiry { id: id.to_owned(), about, hosts }
}

fn none(why: &str) -> Reply {
    Reply::None { why: why.to_owned() }
}

async fn heard(store: &Store, host: &str) -> Vec<String> {
    store.open_inquiries(host).await.unwrap().inquiries.into_iter().map(|open| open.id).collect()
}

pub(crate) async fn hosts_hear_answer_once_and_are_waited_for(place: &Place) {
    // The one who asks is another server than the one that agents talk to.
    let (asker, agents) = (place.open().await, place.open().await);
    with_host(&asker, "db-1").await;
    with_host(&asker, "db-2").await;
    asker.inquire(&inquiry("one", 1200, &["db-2", "db-1", "nobody"])).await.unwrap();
    asker.inquire(&inquiry("two", 1200, &["db-1"])).await.unwrap();
    let news = agents.news("db-1", 0).await.unwrap();
    assert_eq!(news.news, [News::Inquiry], "however many there are, it is told once");
    assert_eq!(heard(&agents, "db-1").await, ["one", "two"]);
    assert_eq!(agents.commit_asked("one", "db-1").await.unwrap(), "commit-one");
    assert!(agents.commit_asked("two", "db-2").await.is_err());

    let watch = agents.watch(vec![Topic::Inquiry("one".to_owned())]);
    agents.reply("one", "db-1", &none("first")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), watch.changed()).await.unwrap();
    assert!(agents.reply("one", "db-1", &none("second")).await.is_err());
    assert!(agents.reply("one", "nobody", &none("x")).await.is_err(), "who was not let in cannot answer");
    assert_eq!(heard(&agents, "db-1").await, ["two"]);
    let (standing, _) = asker.inquiry("one").await.unwrap();
    assert_eq!((standing.hosts, standing.answered, standing.over), (3, 1, false));
    let asked = asker.asked_hosts("one", None).await.unwrap();
    let rows: Vec<_> = asked.hosts.iter().map(|one| (one.host.as_str(), one.told, one.heard, one.reply.clone())).collect();
    assert_eq!(rows, [("db-2", true, false, None), ("db-1", true, true, Some(none("first"))), ("nobody", false, false, None)]);
    assert_eq!(asked.after, None);
    assert_eq!(asker.open_inquiry_count().await.unwrap(), 2);
    asker.purge("db-1", "kim").await.unwrap();
    let (standing, _) = asker.inquiry("one").await.unwrap();
    assert_eq!((standing.hosts, standing.answered), (3, 0), "what it said is gone, and it is silent");
}

pub(crate) async fn what_is_over_is_not_answered_and_not_too_much_is_asked(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.inquire(&inquiry("late", 0, &["db-1"])).await.unwrap();
    assert!(heard(&store, "db-1").await.is_empty());
    assert!(store.reply("late", "db-1", &none("x")).await.is_err());
    let (standing, _) = store.inquiry("late").await.unwrap();
    assert!(standing.over && standing.answered == 0);
    assert!(store.inquiry("never").await.is_err());
    for number in 0..16 {
        store.inquire(&inquiry(&format!("open-{number}"), 1200, &["db-1"])).await.unwrap();
    }
    assert!(store.inquire(&inquiry("more", 1200, &["db-1"])).await.unwrap_err().to_string().contains("already"));
    store.reply("open-3", "db-1", &none("x")).await.unwrap();
    store.inquire(&inquiry("more", 1200, &["db-1"])).await.unwrap();
}
