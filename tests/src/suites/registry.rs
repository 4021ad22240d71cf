//! What every registry must do.

use std::collections::HashSet;
use std::sync::Arc;

use broker::random;
use broker::store::records::{
    self, AGENDA, Change, Condition, DUE, Due, EXPIRES, Item, Key, Registry, TAKEN_BY, Written,
};
use serde_json::{Value, json};

/// Runs one test a promise, each on a registry of its own that `$make` makes; what it returns is kept
/// until the test ends. Every promise must also hold when the reply to every write is lost.
#[macro_export]
macro_rules! registry_suite {
    ($make:expr) => {
        $crate::registry_suite!(@ $make;
            an_item_is_made_once_and_read_back,
            every_kind_of_value_comes_back,
            a_change_needs_an_item_and_all_its_conditions,
            a_change_sets_and_removes_attributes_and_leaves_the_others,
            a_change_whose_reply_was_lost_is_recognised,
            of_racing_changes_one_wins,
            an_item_is_taken_once_and_in_time,
            an_item_is_removed_when_its_conditions_hold,
            a_list_is_paged_in_order_and_stays_in_its_partition_and_prefix,
            several_items_are_read_at_once_in_the_order_asked_for,
            an_agenda_holds_what_is_due_and_the_longest_due_first,
            the_far_end_of_an_agenda_is_read_too,
            a_scan_goes_over_every_item_once,
            a_counter_never_says_the_same_twice,
        );
    };
    (@ $make:expr; $($name:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let (registry, _kept) = $make.await;
            $crate::suites::registry::$name(std::sync::Arc::new(registry)).await;
            let (registry, _kept) = $make.await;
            let lossy = $crate::stores::Hooked::new(registry, $crate::stores::plan::Plan::lossy());
            $crate::suites::registry::$name(std::sync::Arc::new(lossy)).await;
        })*
    };
}

fn key() -> Key {
    Key::new(format!("test#{}", random::id()), "item")
}

fn item(value: Value) -> Item {
    let Value::Object(item) = value else { panic!("an item is an object") };
    item
}

async fn insert(registry: &dyn Registry, key: &Key, value: Value) -> Written {
    registry.insert(key, item(value)).await.unwrap()
}

fn is_done(written: &Written) -> bool {
    matches!(written, Written::Done(_))
}

/// Inserting never overwrites, and tells what is there.
pub async fn an_item_is_made_once_and_read_back(registry: Arc<dyn Registry>) {
    let key = key();
    assert_eq!(registry.get(&key).await.unwrap(), None);
    let first = insert(&*registry, &key, json!({"owner": "a", "n": 1})).await.proven_by("owner", "a");
    assert!(is_done(&first));
    let second = insert(&*registry, &key, json!({"owner": "b", "n": 2})).await.proven_by("owner", "b");
    assert_eq!(second, Written::Refused(Some(item(json!({"owner": "a", "n": 1})))));
    assert_eq!(registry.get(&key).await.unwrap(), Some(item(json!({"owner": "a", "n": 1}))));
}

/// Texts, numbers, truth values, lists, maps with nulls, and empty ones of each.
pub async fn every_kind_of_value_comes_back(registry: Arc<dyn Registry>) {
    let (key, value) = (
        key(),
        json!({
            "text": "é\u{1F511}\"\\", "empty": "", "number": 9_007_199_254_740_991_i64, "negative": -1, "yes": true,
            "no": false, "list": ["a", ""], "nothing": [], "map": {"k.with.dots": "v", "null": null}, "none": {},
        }),
    );
    insert(&*registry, &key, value.clone()).await;
    assert_eq!(registry.get(&key).await.unwrap(), Some(item(value)));
}

/// One failed condition refuses the whole change, and the item is told as it was found.
pub async fn a_change_needs_an_item_and_all_its_conditions(registry: Arc<dyn Registry>) {
    let key = key();
    let absent = registry.update(&key, Change::default().set("x", 1)).await.unwrap();
    assert_eq!(absent, Written::Refused(None));
    let value = json!({"state": "live", "n": 5});
    insert(&*registry, &key, value.clone()).await;
    for condition in [
        Condition::Equals("n", 6.into()),
        Condition::Equals("other", 5.into()),
        Condition::Equals("n", "5".into()),
        Condition::Absent("n"),
        Condition::After("n", 5),
        Condition::After("other", 0),
    ] {
        let change = Change::when("state", "live").and(condition.clone()).set("n", 7);
        let refused = registry.update(&key, change).await.unwrap();
        assert_eq!(refused, Written::Refused(Some(item(value.clone()))), "{condition:?}");
    }
    let change = Change::when("state", "live").and(Condition::Absent("other")).and(Condition::After("n", 4));
    assert!(is_done(&registry.update(&key, change.set("m", 1)).await.unwrap()));
}

/// A change is told as the item is afterwards.
pub async fn a_change_sets_and_removes_attributes_and_leaves_the_others(registry: Arc<dyn Registry>) {
    let key = key();
    insert(&*registry, &key, json!({"a": 1, "b": {"x": [1]}, "c": "old"})).await;
    let change = Change::default().set("c", "new").set("d", json!({"y": null})).remove("a").remove("zzz");
    let expected = item(json!({"b": {"x": [1]}, "c": "new", "d": {"y": null}}));
    assert_eq!(registry.update(&key, change).await.unwrap(), Written::Done(expected.clone()));
    assert_eq!(registry.get(&key).await.unwrap(), Some(expected));
}

/// The same change again is refused, and proven by the mark that it left.
pub async fn a_change_whose_reply_was_lost_is_recognised(registry: Arc<dyn Registry>) {
    let (key, owner) = (key(), random::id());
    insert(&*registry, &key, json!({"g": 1})).await;
    let change = || Change::when("g", 1).and(Condition::Absent("owner")).set("owner", owner.clone());
    for _ in 0..2 {
        assert!(is_done(&registry.update(&key, change()).await.unwrap().proven_by("owner", &owner)));
    }
    let other = Change::when("g", 1).and(Condition::Absent("owner")).set("owner", "other");
    assert!(!is_done(&registry.update(&key, other).await.unwrap().proven_by("owner", "other")));
}

/// Twenty racers for one generation: one moves it on.
pub async fn of_racing_changes_one_wins(registry: Arc<dyn Registry>) {
    let key = key();
    insert(&*registry, &key, json!({"g": 1})).await;
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let (registry, key) = (Arc::clone(&registry), key.clone());
            tokio::spawn(async move {
                let owner = random::id();
                let change = Change::when("g", 1).set("g", 2).set("owner", owner.clone());
                is_done(&registry.update(&key, change).await.unwrap().proven_by("owner", &owner))
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(registry.get(&key).await.unwrap().unwrap()["g"], 2);
}

/// A one-time item goes to one of twenty takers, who may ask again; an expired one to nobody, even
/// while the store still has it.
pub async fn an_item_is_taken_once_and_in_time(registry: Arc<dyn Registry>) {
    const EXPIRY: i64 = 4_000_000_100;
    async fn take(registry: &dyn Registry, key: &Key, taker: &str, now: i64) -> Option<Item> {
        let in_time = Change::default().and(Condition::After(EXPIRES, now));
        match records::take(registry, key, taker, in_time).await.unwrap() {
            Written::Done(item) => Some(item),
            Written::Refused(_) => None,
        }
    }
    let key = key();
    assert_eq!(take(&*registry, &key, &random::id(), EXPIRY).await, None);
    insert(&*registry, &key, json!({EXPIRES: EXPIRY, "what": "session"})).await;
    assert_eq!(take(&*registry, &key, "late", EXPIRY).await, None, "it expired that second");
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let (registry, key, me) = (Arc::clone(&registry), key.clone(), random::id());
            tokio::spawn(async move {
                let first = take(&*registry, &key, &me, EXPIRY - 1).await;
                let again = take(&*registry, &key, &me, EXPIRY - 1).await;
                assert_eq!(first, again);
                first.map(|item| (me, item))
            })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        winners.extend(racer.await.unwrap());
    }
    let [(winner, item)] = winners.as_slice() else { panic!("{} winners", winners.len()) };
    assert_eq!((&item["what"], &item[TAKEN_BY]), (&json!("session"), &json!(winner)));
}

/// Removing what is not there is no error; what does not meet the conditions stays.
pub async fn an_item_is_removed_when_its_conditions_hold(registry: Arc<dyn Registry>) {
    let key = key();
    insert(&*registry, &key, json!({"state": "deleting"})).await;
    let when = |state: &str| vec![Condition::Equals("state", state.into())];
    assert!(!registry.remove(&key, when("live")).await.unwrap());
    assert!(registry.get(&key).await.unwrap().is_some());
    assert!(registry.remove(&key, when("deleting")).await.unwrap());
    assert!(registry.remove(&key, when("deleting")).await.unwrap());
    assert_eq!(registry.get(&key).await.unwrap(), None);
}

/// Pages join up to the whole list, each item once, and neighbours do not show.
pub async fn a_list_is_paged_in_order_and_stays_in_its_partition_and_prefix(registry: Arc<dyn Registry>) {
    let partition = format!("user#{}", random::id());
    for n in (0..25).rev() {
        insert(&*registry, &Key::new(&partition, format!("instance#{n:03}")), json!({"n": n})).await;
    }
    for (partition, sort) in [
        (partition.clone(), "instance".to_owned()),
        (partition.clone(), "instancf".to_owned()),
        (partition.clone(), "link#000".to_owned()),
        (format!("{partition}0"), "instance#000".to_owned()),
    ] {
        insert(&*registry, &Key::new(partition, sort), json!({"n": -1})).await;
    }
    for size in [1, 7, 25, 100] {
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = registry.list(&partition, "instance#", after.as_deref(), size).await.unwrap();
            assert!(page.items.len() <= size);
            assert!(page.items.len() == size || !page.more);
            seen.extend(page.items.iter().map(|(_, item)| item["n"].as_i64().unwrap()));
            after = page.items.last().map(|(sort, _)| sort.clone());
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, (0..25).collect::<Vec<_>>(), "pages of {size}");
    }
    let nothing = registry.list(&partition, "instance#", Some("instance#024"), 10).await.unwrap();
    assert!(nothing.items.is_empty() && !nothing.more);
    assert!(registry.list("user#nobody", "", None, 10).await.unwrap().items.is_empty());
}

async fn on_agenda(registry: &dyn Registry, agenda: &str, size: usize) -> Vec<(i64, String)> {
    let (mut seen, mut after) = (Vec::new(), None::<Due>);
    loop {
        let page = registry.due(agenda, 50, after.as_ref(), size).await.unwrap();
        assert!(page.len() <= size);
        seen.extend(page.iter().map(|due| (due.at, due.key.sort.clone())));
        if page.len() < size {
            return seen;
        }
        after = page.last().cloned();
    }
}

/// An item that is not due, has no time or is on another agenda is not listed; one that gets another time
/// has another place, one that is removed has none. Pages join up to the whole, each item once.
pub async fn an_agenda_holds_what_is_due_and_the_longest_due_first(registry: Arc<dyn Registry>) {
    let (partition, agenda) = (format!("test#{}", random::id()), random::id());
    let place = |sort: &str| Key::new(&partition, sort);
    for (sort, at) in [("late", 51), ("c", 30), ("b", 10), ("a", 30), ("d", 50), ("e", 20)] {
        insert(&*registry, &place(sort), json!({AGENDA: agenda, DUE: at})).await;
    }
    insert(&*registry, &place("never"), json!({AGENDA: agenda})).await;
    insert(&*registry, &place("other"), json!({AGENDA: random::id(), DUE: 1})).await;
    for size in [1, 2, 5, 100] {
        let mut seen = on_agenda(&*registry, &agenda, size).await;
        assert!(seen.is_sorted_by_key(|(at, _)| *at), "pages of {size}: {seen:?}");
        seen.sort();
        let names: Vec<_> = seen.iter().map(|(_, sort)| sort.as_str()).collect();
        assert_eq!(names, ["b", "e", "a", "c", "d"], "pages of {size}");
    }
    let change = |change: Change, sort: &str| {
        let (registry, place) = (Arc::clone(&registry), place(sort));
        async move { assert!(is_done(&registry.update(&place, change).await.unwrap())) }
    };
    change(Change::default().set(DUE, 60), "b").await;
    change(Change::default().remove(DUE), "e").await;
    change(Change::default().set(DUE, 5), "never").await;
    registry.remove(&place("a"), vec![]).await.unwrap();
    let left = on_agenda(&*registry, &agenda, 10).await;
    assert_eq!(left, [(5, "never".to_owned()), (30, "c".to_owned()), (50, "d".to_owned())]);
}

/// What is not there is `None` in its place; the same key may come twice.
pub async fn several_items_are_read_at_once_in_the_order_asked_for(registry: Arc<dyn Registry>) {
    let (one, two, none) = (key(), key(), key());
    insert(&*registry, &one, json!({"a": 1})).await;
    insert(&*registry, &two, json!({"a": 2})).await;
    let found = registry.get_many(&[two, none, one]).await.unwrap();
    assert_eq!(found, [Some(item(json!({"a": 2}))), None, Some(item(json!({"a": 1})))]);
}

/// The latest due comes first, whenever that is.
pub async fn the_far_end_of_an_agenda_is_read_too(registry: Arc<dyn Registry>) {
    let (partition, agenda) = (format!("test#{}", random::id()), random::id());
    for (sort, at) in [("a", 10), ("b", 9_999_999_999_i64), ("c", 500)] {
        insert(&*registry, &Key::new(&partition, sort), json!({AGENDA: agenda, DUE: at})).await;
    }
    insert(&*registry, &Key::new(&partition, "d"), json!({AGENDA: agenda})).await;
    let far = registry.farthest(&agenda, 2).await.unwrap();
    assert_eq!(far.iter().map(|due| due.key.sort.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert!(registry.farthest(&random::id(), 2).await.unwrap().is_empty());
}

/// In parts of any size, whatever the partition.
pub async fn a_scan_goes_over_every_item_once(registry: Arc<dyn Registry>) {
    let mut made: Vec<_> = (0..7).map(|_| key()).collect();
    made.sort();
    for (number, key) in made.iter().enumerate() {
        insert(&*registry, key, json!({"scanned": number})).await;
    }
    for limit in [1, 3, 7, 100] {
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let part = registry.scan(from.as_ref(), limit).await.unwrap();
            assert!(part.items.len() <= limit);
            seen.extend(part.items.into_iter().filter(|(_, item)| item.contains_key("scanned")));
            from = part.next;
            if from.is_none() {
                break;
            }
        }
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        let whole =
            made.iter().enumerate().map(|(number, key)| (key.clone(), item(json!({"scanned": number}))));
        assert_eq!(seen, whole.collect::<Vec<_>>());
    }
}

/// Racers each get numbers of their own, which grow; a lost reply skips one and repeats none.
pub async fn a_counter_never_says_the_same_twice(registry: Arc<dyn Registry>) {
    let counter = random::id();
    let racers: Vec<_> = (0..10)
        .map(|_| {
            let (registry, counter) = (Arc::clone(&registry), counter.clone());
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..5 {
                    numbers.push(registry.next(&counter).await.unwrap());
                }
                assert!(numbers.is_sorted());
                numbers
            })
        })
        .collect();
    let mut all = HashSet::new();
    for racer in racers {
        for number in racer.await.unwrap() {
            assert!(number >= 1 && all.insert(number), "{number} came twice");
        }
    }
    assert_eq!(all.len(), 50);
    assert!(registry.next(&random::id()).await.unwrap() <= 2, "a counter begins at 1");
}
