//! An environment that a test makes up, for `TelemetryBuilder::environment`.

/// A variable's name and its value.
pub type Variables = Vec<(String, String)>;

/// These variables, owned.
pub fn variables(pairs: &[(&str, &str)]) -> Variables {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// Looks up a variable among these alone.
pub fn environment(
    variables: Variables,
) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
    move |name| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}
