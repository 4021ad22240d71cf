//! A vendor that keeps books of its refresh tokens as real ones do, with the habits that differ between them,
//! and that fails on demand before or after it has acted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use broker::clock::{Clock, Timestamp};
use serde_json::{Value, json};

/// What a vendor does with refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Each works once; one that is used again ends the grant (RFC 9700 section 4.14.2).
    Strict,
    /// Each works once, but the one before may be used again and gets the same answer.
    Grace,
    /// The answer repeats the token, which goes on working.
    NoRotation,
    /// The answer has none, and the old one goes on working (RFC 6749 section 6).
    Silent,
}

/// Every habit.
pub const HABITS: [Habit; 4] = [Habit::Strict, Habit::Grace, Habit::NoRotation, Habit::Silent];

/// What goes wrong with the vendor's next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection ends; nothing was done.
    HangsUp,
    /// The connection ends when it is done.
    ActsAndHangsUp,
    /// The answer ends half-way when it is done.
    ActsAndBreaksOff,
    /// It is done, and the answer is no answer.
    ActsAndBabbles,
    /// It is done, and a gateway says that it was not.
    ActsAnd502,
    /// 500; nothing was done.
    Fails,
    /// 429; nothing was done.
    TooMany,
    /// 503; nothing was done.
    Maintenance,
    /// 400 with a code that nobody knows; nothing was done.
    Odd,
}

/// Every trouble.
pub const TROUBLES: [Trouble; 9] = [
    Trouble::HangsUp,
    Trouble::ActsAndHangsUp,
    Trouble::ActsAndBreaksOff,
    Trouble::ActsAndBabbles,
    Trouble::ActsAnd502,
    Trouble::Fails,
    Trouble::TooMany,
    Trouble::Maintenance,
    Trouble::Odd,
];

impl Trouble {
    /// Tells whether the vendor has acted all the same.
    pub fn acts(self) -> bool {
        !matches!(self, Self::HangsUp | Self::Fails | Self::TooMany | Self::Maintenance | Self::Odd)
    }

    /// Gives what is sent in the place of the answer.
    fn bytes(self, answer: &[u8]) -> Vec<u8> {
        match self {
            Self::HangsUp | Self::ActsAndHangsUp => Vec::new(),
            Self::ActsAndBreaksOff => answer[..answer.len() - 3].to_vec(),
            Self::ActsAndBabbles => http("200 OK", "<html>"),
            Self::ActsAnd502 => http("502 Bad Gateway", "{}"),
            Self::Fails => http("500 Internal Server Error", "{}"),
            Self::TooMany => http("429 Too Many Requests", "{}"),
            Self::Maintenance => http("503 Service Unavailable", "{}"),
            Self::Odd => http("400 Bad Request", r#"{"error":"temporarily_odd"}"#),
        }
    }
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The books of a vendor.
#[derive(Clone)]
pub struct Family(Arc<Mutex<Books>>);

struct Books {
    habit: Habit,
    trouble: Option<Trouble>,
    outage: Option<Trouble>,
    lifetimes: Option<Lifetimes>,
    padding: String,
    grants: Vec<Grant>,
    codes: BTreeMap<String, usize>,
    asked: usize,
    reused: usize,
}

struct Grant {
    current: u32,
    alive: bool,
    elsewhere: bool,
    used: Timestamp,
}

/// A grant as the vendor knows it.
pub struct Known {
    /// Its number, from 0.
    pub number: usize,
    /// Its refresh token.
    pub token: String,
    /// Whether it has not ended.
    pub alive: bool,
    /// Whether its owner has its token, who has brought it along.
    pub is_elsewhere: bool,
}

/// How long tokens live, in seconds.
#[derive(Clone)]
pub struct Lifetimes {
    /// Access tokens.
    pub access: Timestamp,
    /// Refresh tokens, from their last use.
    pub refresh: Timestamp,
    /// The vendor's clock.
    pub clock: Clock,
}

impl Family {
    /// Opens the books of a vendor with this habit.
    pub fn new(habit: Habit) -> Self {
        let (grants, codes, asked, reused) = (Vec::new(), BTreeMap::new(), 0, 0);
        let (trouble, outage, lifetimes, padding) = (None, None, None, String::new());
        let books = Books { habit, trouble, outage, lifetimes, padding, grants, codes, asked, reused };
        Self(Arc::new(Mutex::new(books)))
    }

    /// Has tokens end, by a clock.
    pub fn lifetimes(&self, lifetimes: Lifetimes) {
        self.0.lock().unwrap().lifetimes = Some(lifetimes);
    }

    /// Makes access tokens longer by so many characters.
    pub fn pad(&self, length: usize) {
        self.0.lock().unwrap().padding = "x".repeat(length);
    }

    /// Has every answer go wrong, or none any more.
    pub fn outage(&self, outage: Option<Trouble>) {
        self.0.lock().unwrap().outage = outage;
    }

    /// Names the refresh token of a grant that works now; nothing when the grant has ended.
    pub fn current(&self, token: &str) -> Option<String> {
        let (grant, _) = numbers(token)?;
        let books = self.0.lock().unwrap();
        Some(format!("refresh-{grant}-{}", books.grants.get(grant)?.current))
    }

    /// Gives every grant.
    pub fn grants(&self) -> Vec<Known> {
        let grants = &self.0.lock().unwrap().grants;
        let known = |(number, grant): (usize, &Grant)| {
            let Grant { current, alive, elsewhere, .. } = *grant;
            let is_elsewhere = elsewhere && current == 1;
            Known { number, token: format!("refresh-{number}-{current}"), alive, is_elsewhere }
        };
        grants.iter().enumerate().map(known).collect()
    }

    /// Grants to somebody else, who brings the tokens along: the access token and the refresh token.
    pub fn grants_elsewhere(&self) -> (String, String) {
        let mut books = self.0.lock().unwrap();
        let tokens = books.consent();
        books.grants.last_mut().unwrap().elsewhere = true;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// Plans what goes wrong with the next answer.
    pub fn trouble(&self, trouble: Trouble) {
        self.0.lock().unwrap().trouble = Some(trouble);
    }

    /// Tells whether the vendor's API would take this access token.
    pub fn takes(&self, access_token: &str) -> bool {
        let books = self.0.lock().unwrap();
        let grant = access_token.split('-').nth(1).and_then(|number| number.parse::<usize>().ok());
        grant.and_then(|grant| books.grants.get(grant)).is_some_and(|grant| grant.alive)
    }

    /// Tells how often a refresh token came that had been used before, where that matters.
    pub fn reused(&self) -> usize {
        self.0.lock().unwrap().reused
    }

    /// Tells how many codes were exchanged.
    pub fn codes(&self) -> usize {
        self.0.lock().unwrap().codes.len()
    }

    /// Tells how many requests came.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    /// Answers a request.
    pub fn answer(&self, request: &str) -> Vec<u8> {
        let mut books = self.0.lock().unwrap();
        books.asked += 1;
        let trouble = books.trouble.take().or(books.outage);
        if let Some(trouble) = trouble.filter(|trouble| !trouble.acts()) {
            return trouble.bytes(&[]);
        }
        let (status, body) = books.act(request);
        let answer = http(status, &body.to_string());
        trouble.map_or(answer.clone(), |trouble| trouble.bytes(&answer))
    }
}

impl Books {
    fn act(&mut self, request: &str) -> (&'static str, Value) {
        let parameter = |name: &str| request.split(['&', '\n']).find_map(|pair| pair.strip_prefix(name));
        let (token, refreshed) = (parameter("token="), parameter("refresh_token="));
        if let Some((grant, _)) = token.and_then(numbers) {
            self.grants[grant].alive = false;
            return ("200 OK", json!({}));
        }
        let done = match refreshed {
            Some(token) => numbers(token).and_then(|(grant, number)| self.refresh(grant, number)),
            None => parameter("code=").and_then(|code| self.exchange(code)),
        };
        done.map_or(("400 Bad Request", json!({"error": "invalid_grant"})), |tokens| ("200 OK", tokens))
    }

    /// Each code works once; one that comes twice ends what was given for it (RFC 6749 sections 4.1.2 and 10.5).
    fn exchange(&mut self, code: &str) -> Option<Value> {
        if let Some(grant) = self.codes.get(code) {
            self.grants[*grant].alive = false;
            self.reused += 1;
            return None;
        }
        self.codes.insert(code.to_owned(), self.grants.len());
        Some(self.consent())
    }

    fn consent(&mut self) -> Value {
        self.grants.push(Grant { current: 1, alive: true, elsewhere: false, used: self.now() });
        let grant = self.grants.len() - 1;
        let mut tokens = self.access(grant, 1);
        tokens["refresh_token"] = json!(format!("refresh-{grant}-1"));
        tokens
    }

    fn access(&self, grant: usize, number: u32) -> Value {
        let lifetime = self.lifetimes.as_ref().map_or(60, |lifetimes| lifetimes.access);
        let access_token = format!("access-{grant}-{number}{}", self.padding);
        json!({"access_token": access_token, "expires_in": lifetime})
    }

    fn now(&self) -> Timestamp {
        self.lifetimes.as_ref().map_or(0, |lifetimes| lifetimes.clock.now())
    }

    fn refresh(&mut self, grant: usize, number: u32) -> Option<Value> {
        let (habit, now) = (self.habit, self.now());
        let life = self.lifetimes.as_ref().map_or(Timestamp::MAX, |lifetimes| lifetimes.refresh);
        let of = self.grants.get_mut(grant).filter(|grant| grant.alive && now - grant.used < life)?;
        of.used = now;
        if number != of.current {
            self.reused += 1;
            if habit != Habit::Grace || number + 1 != of.current {
                of.alive = false;
                return None;
            }
        } else if matches!(habit, Habit::Strict | Habit::Grace) {
            of.current += 1;
        }
        let current = of.current;
        let mut tokens = self.access(grant, current);
        if habit != Habit::Silent {
            tokens["refresh_token"] = json!(format!("refresh-{grant}-{current}"));
        }
        Some(tokens)
    }
}

/// Reads the numbers of a token: its grant's and its own.
pub fn numbers(token: &str) -> Option<(usize, u32)> {
    let mut parts = token.trim().split('-').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
