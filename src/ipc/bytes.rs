//! Bytes as a payload, or anywhere in one.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Bytes that cross the wire as bytes: a `Uint8Array` on the page, in both directions and at any
/// depth of a payload.
///
/// The page may send an `ArrayBuffer` or another view as well; here come the bytes that it shows.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use spanwire::ipc::Bytes;
///
/// // The page: await spanwire.invoke("save", { name: "sky", pixels: new Uint8Array([0, 255]) })
/// #[derive(Serialize, Deserialize)]
/// struct Save {
///     name: String,
///     pixels: Bytes,
/// }
/// # let json = r#"{"name":"sky","pixels":{"$spanwire.bytes":"AP8="}}"#;
/// # let save: Save = serde_json::from_str(json)?;
/// # assert_eq!(&save.pixels[..], [0, 255]);
/// # assert_eq!(serde_json::to_string(&save)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// In JSON it is an object with one key, `$spanwire.bytes`, and base64 as its value, a third longer
/// than the bytes: [`Limits`](super::Limits) bound that length. A format that has bytes of its own, as
/// `bincode` has, gets these. Its `Debug` shows the length and not the bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Vec<u8>);

/// The one key of the object that bytes are in JSON.
pub(super) const BYTES_KEY: &str = "$spanwire.bytes";

impl Bytes {
    /// The bytes themselves.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("len", &self.len()).finish()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // JSON has no bytes, so it gets the object. A binary format says that it is not
        // human-readable.
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(BYTES_KEY, &BASE64_STANDARD.encode(self))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_map(BytesVisitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    // What is wrong is not quoted: it is the page's.
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Bytes, M::Error> {
        let not_bytes = || de::Error::custom("an object that is not of bytes");
        // Not `&str`: a key from a `Value`, or below `flatten`, cannot be borrowed.
        if map.next_key::<Cow<'de, str>>()?.as_deref() != Some(BYTES_KEY) {
            return Err(not_bytes());
        }
        let Base64(bytes) = map.next_value()?;
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(Bytes(bytes)),
            // An object with a further key is data of the app's and no bytes.
            Some(_) => Err(not_bytes()),
        }
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    /// Some formats have bytes as a list.
    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Bytes, S::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

/// What a text of base64 says, decoded without a copy of the text.
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                // It insists on padding and on zeros in the last letter's unused bits, so bytes
                // have one spelling.
                let bytes = BASE64_STANDARD.decode(text);
                bytes
                    .map(Base64)
                    .map_err(|_| E::custom("a text that is not base64"))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Save {
        name: String,
        pixels: Bytes,
        more: HashMap<String, Option<Bytes>>,
        #[serde(flatten)]
        rest: Rest,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Rest {
        mask: Bytes,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(untagged)]
    enum Either {
        Bytes(Bytes),
        Text(String),
    }

    #[test]
    fn bytes_stand_anywhere_in_a_type() {
        let save = Save {
            name: "sky".into(),
            pixels: Bytes::from([0, 255, 1]),
            more: [
                ("a".into(), None),
                ("b".into(), Some(Bytes::from(&b"xy"[..]))),
            ]
            .into(),
            rest: Rest {
                mask: Bytes::default(),
            },
        };
        let json = serde_json::to_string(&save).unwrap();
        assert!(json.contains(r#""pixels":{"$spanwire.bytes":"AP8B"}"#));
        assert_eq!(serde_json::from_str::<Save>(&json).unwrap(), save);
        // By way of a `Value`, as `json!` makes one.
        let value = serde_json::to_value(&save).unwrap();
        assert_eq!(serde_json::from_value::<Save>(value).unwrap(), save);
        let either = r#"[{"$spanwire.bytes":"AP8B"},"AP8B"]"#;
        assert_eq!(
            serde_json::from_str::<Vec<Either>>(either).unwrap(),
            [
                Either::Bytes(vec![0, 255, 1].into()),
                Either::Text("AP8B".into())
            ]
        );
        assert_eq!(format!("{:?}", save.pixels), "Bytes { len: 3 }");
        assert_eq!(Vec::from(save.pixels.clone()), save.pixels.into_vec());
    }

    #[test]
    fn what_is_not_bytes_is_refused_and_not_quoted() {
        for wrong in [
            "7",
            r#""c2VjcmV0""#,
            "[1,2]",
            "{}",
            r#"{"c2VjcmV0":"AAAA"}"#,
            r#"{"$spanwire.bytes":"c2VjcmV0","more":1}"#,
            r#"{"$spanwire.bytes":7}"#,
            r#"{"$spanwire.bytes":"c2VjcmV0="}"#,
            r#"{"$spanwire.bytes":"c2Vj cmV0"}"#,
            r#"{"$spanwire.bytes":"c2VjcmV"}"#,
            r#"{"$spanwire.bytes":"AB=="}"#,
            r#"{"$spanwire.bytes":"AAA"}"#,
            r#"{"$spanwire.bytes":"ä=="}"#,
            r#"{"$spanwire.bytes":"_-8="}"#,
        ] {
            let Err(error) = serde_json::from_str::<Bytes>(wrong) else {
                panic!("{wrong} is taken")
            };
            let shown = error.to_string();
            assert!(
                !shown.contains("c2VjcmV0") || wrong.starts_with('"'),
                "{shown}"
            );
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_as_they_went(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let bytes = Bytes::from(bytes);
            let json = serde_json::to_string(&bytes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap(), bytes);
        }

        #[test]
        fn any_text_for_base64_is_bytes_or_an_error(text in ".*") {
            let json = serde_json::json!({ BYTES_KEY: text }).to_string();
            if let Ok(bytes) = serde_json::from_str::<Bytes>(&json) {
                prop_assert_eq!(BASE64_STANDARD.encode(&bytes), text);
            }
        }
    }
}
