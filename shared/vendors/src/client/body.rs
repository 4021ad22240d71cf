//! Reads the body of an answer, however it is packed, encoded or written: a refresh token in it may be the only one that
//! still works. It is read strictly first, and leniently where that fails.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use secrecy::SecretString;
use serde_json::{Map, Value};

/// How deep members may be nested that are looked at; what is deeper is skipped.
const DEEPEST: usize = 16;

/// An HTTP answer, cut at the limit and with nothing else read from it. It holds secrets and is not to
/// be printed.
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
    /// `WWW-Authenticate`, which may say why (RFC 6750 section 3).
    pub challenge: Option<String>,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// What was sent in confidence, which the vendor's words must not repeat to anyone.
    pub confided: Vec<SecretString>,
}

/// Unpacks a body that is gzipped or deflated, up to `longest` bytes. One that is neither, or does not unpack, stays as it
/// is; `None` when it would be longer.
pub(super) fn unpacked(body: Vec<u8>, coding: Option<&str>, longest: usize) -> Option<Vec<u8>> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    let is_deflated = coding.is_some_and(|coding| coding.to_ascii_lowercase().contains("deflate"));
    let readers: Vec<Box<dyn Read + '_>> = if body.starts_with(GZIP) {
        vec![Box::new(GzDecoder::new(body.as_slice()))]
    } else if is_deflated {
        // RFC 9110 section 8.4.1.2 means zlib; some send raw deflate.
        vec![Box::new(ZlibDecoder::new(body.as_slice())), Box::new(DeflateDecoder::new(body.as_slice()))]
    } else {
        return Some(body);
    };
    let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    for reader in readers {
        let mut plain = Vec::new();
        // A checksum that is missing at the end loses nothing that was read before.
        let read = reader.take(limit).read_to_end(&mut plain);
        if plain.len() > longest {
            return None;
        }
        if read.is_ok() || plain.contains(&b'{') {
            return Some(plain);
        }
    }
    Some(body)
}

/// Decodes a body: UTF-8 with or without a byte order mark, UTF-16, or else ISO 8859-1, in which every byte is a character.
pub(super) fn text(body: &[u8]) -> String {
    let utf16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => text(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(body, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(body, u16::from_be_bytes),
        _ => match std::str::from_utf8(body) {
            Ok(text) => text.to_owned(),
            Err(_) => body.iter().map(|byte| char::from(*byte)).collect(),
        },
    }
}

/// Reads the members of a JSON object. A member that is not valid does not affect the others.
pub(super) fn members(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok().or_else(|| {
        let mut lenient = Lenient { rest: &text[text.find('{')?..] };
        match lenient.value(0)? {
            Value::Object(members) => Some(members),
            _ => None,
        }
    })
}

/// A parser for JSON with mistakes.
struct Lenient<'a> {
    rest: &'a str,
}

impl Lenient<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip_space();
        match self.rest.chars().next()? {
            '"' => self.string().map(Value::from),
            '{' if depth < DEEPEST => self.object(depth),
            '[' if depth < DEEPEST => self.list(depth),
            '{' | '[' => self.skip_nested(),
            _ => Some(self.word()),
        }
    }

    /// Reads an object up to the first member that cannot be read, or to its end.
    fn object(&mut self, depth: usize) -> Option<Value> {
        self.advance(1);
        let mut members = Map::new();
        loop {
            self.skip_space_and(',');
            if self.rest.is_empty() || self.take('}') {
                return Some(Value::Object(members));
            }
            let Some((name, value)) = self.member(depth) else { return Some(Value::Object(members)) };
            members.insert(name, value);
        }
    }

    fn member(&mut self, depth: usize) -> Option<(String, Value)> {
        let name = self.string()?;
        self.skip_space_and(':');
        Some((name, self.value(depth + 1)?))
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.advance(1);
        let mut values = Vec::new();
        loop {
            self.skip_space_and(',');
            if self.rest.is_empty() || self.take(']') {
                return Some(Value::Array(values));
            }
            let Some(value) = self.value(depth + 1) else { return Some(Value::Array(values)) };
            values.push(value);
        }
    }

    /// Reads a string with its escapes. Half of a surrogate pair becomes a replacement character, a raw control character
    /// stays. One that does not end is none.
    fn string(&mut self) -> Option<String> {
        self.rest.starts_with('"').then_some(())?;
        self.advance(1);
        let mut text = String::new();
        loop {
            let c = self.rest.chars().next()?;
            self.advance(c.len_utf8());
            match c {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.advance(c.len_utf8());
        Some(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => self.unit(),
            c => c,
        })
    }

    /// Reads what follows `\u`, and the other half of a surrogate pair.
    fn unit(&mut self) -> char {
        let Some(high) = self.four_digits() else { return char::REPLACEMENT_CHARACTER };
        if (0xd800..0xdc00).contains(&high) && self.rest.starts_with("\\u") {
            let before = self.rest;
            self.advance(2);
            let low = self.four_digits();
            let pair = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
            if let Some(pair) = pair {
                return pair;
            }
            self.rest = before;
        }
        char::from_u32(high.into()).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4)?;
        let unit = u16::from_str_radix(digits, 16).ok()?;
        self.advance(4);
        Some(unit)
    }

    /// Reads a number or a literal. What is none, such as a number that is too large, is kept as it is written.
    fn word(&mut self) -> Value {
        let is_end = |c: char| c.is_whitespace() || ",]}".contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        serde_json::from_str(word).unwrap_or_else(|_| Value::from(word))
    }

    /// Skips what is nested too deep.
    fn skip_nested(&mut self) -> Option<Value> {
        let mut open = 0_usize;
        loop {
            match self.rest.chars().next()? {
                '"' => {
                    self.string()?;
                    continue;
                }
                '{' | '[' => open += 1,
                '}' | ']' => open -= 1,
                _ => {}
            }
            let c = self.rest.chars().next()?;
            self.advance(c.len_utf8());
            if open == 0 {
                return Some(Value::Null);
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest.strip_prefix(c);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip_space_and(&mut self, c: char) {
        self.rest = self.rest.trim_start_matches(|next: char| next == c || next.is_whitespace());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    /// What is odd here is in a member that nobody needs, or around the object.
    const ODD: [&str; 13] = [
        r#"{"odd":"\ud83d","access_token":"a","refresh_token":"r"}"#,
        r#"{"odd":"\ud83d\u0041","access_token":"a","refresh_token":"r"}"#,
        "{\"odd\":\"a\tb\u{1}\",\"access_token\":\"a\",\"refresh_token\":\"r\"}",
        r#"{"odd":1e999,"access_token":"a","refresh_token":"r"}"#,
        r#"{"odd":NaN,"access_token":"a","refresh_token":"r"}"#,
        r#"{"odd":"\x","access_token":"a","refresh_token":"r",}"#,
        r#"{"access_token":"a","refresh_token":"r"} and more"#,
        r#"{"access_token":"a","refresh_token":"r"}{"access_token":"b"}"#,
        r#")]}',
        {"access_token":"a","refresh_token":"r"}"#,
        r#"{"odd":tru,"access_token":"a","refresh_token":"r"}"#,
        r#"{"odd":[1e999,{"x":"\ud800"}],"access_token":"a","refresh_token":"r"}"#,
        r#"{"access_token":"a","refresh_token":"r","odd":"it ends"#,
        r#"{"access_token":"a","refresh_token":"r""#,
    ];

    fn assert_read(body: &[u8], what: &str) {
        let read = members(&text(body)).unwrap_or_else(|| panic!("{what}"));
        assert_eq!((&read["access_token"], &read["refresh_token"]), (&"a".into(), &"r".into()), "{what}");
    }

    #[test]
    fn an_odd_member_costs_none_of_the_others() {
        for body in ODD {
            assert_read(body.as_bytes(), body);
        }
        for (open, close) in [("{\"x\":", "}"), ("[", "]")] {
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            let body = format!(r#"{{"odd":{deep},"access_token":"a","refresh_token":"r"}}"#);
            assert_read(body.as_bytes(), open);
        }
    }

    #[test]
    fn a_body_is_read_in_any_encoding() {
        let plain = r#"{"odd":"José","access_token":"a","refresh_token":"r"}"#;
        let latin: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let utf16 = |order: fn(u16) -> [u8; 2]| plain.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        for (what, body) in [
            ("UTF-8", plain.into()),
            ("ISO 8859-1", latin),
            ("a byte order mark", [b"\xef\xbb\xbf", plain.as_bytes()].concat()),
            ("UTF-16, little", little.clone()),
            ("UTF-16, big", big.clone()),
            ("UTF-16, little, marked", [b"\xff\xfe", little.as_slice()].concat()),
            ("UTF-16, big, marked", [b"\xfe\xff", big.as_slice()].concat()),
        ] {
            assert_read(&body, what);
        }
    }

    #[test]
    fn a_packed_body_is_unpacked_within_the_limit() {
        let plain = br#"{"access_token":"a","refresh_token":"r"}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut deflate] {
            encoder.write_all(plain).unwrap();
        }
        let gzip = gzip.finish().unwrap();
        let cut = gzip[..gzip.len() - 4].to_vec();
        for (coding, packed) in [
            (Some("gzip"), gzip.clone()),
            (Some("x-gzip"), gzip.clone()),
            (None, gzip.clone()),
            (Some("gzip"), cut),
            (Some("deflate"), zlib.finish().unwrap()),
            (Some("deflate"), deflate.finish().unwrap()),
            (Some("gzip"), plain.to_vec()),
            (None, plain.to_vec()),
        ] {
            assert_eq!(unpacked(packed, coding, 100).unwrap(), plain, "{coding:?}");
        }
        assert!(unpacked(gzip, Some("gzip"), 10).is_none(), "it is longer than the limit");
    }

    #[test]
    fn what_holds_no_object_has_no_members() {
        for body in ["", "<html>", "[]", "\"x\"", "null", "}"] {
            assert!(members(body).is_none(), "{body}");
        }
    }
}
