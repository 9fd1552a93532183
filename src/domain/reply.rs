//! Canned replies: text with placeholders, filled in for one conversation.

/// What placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub buyer: &'a str,
    pub agent: &'a str,
    pub shop: &'a str,
}

/// The placeholders that there are, without their braces.
pub const PLACEHOLDERS: [&str; 3] = ["buyer.name", "agent.name", "shop.name"];

impl<'a> Names<'a> {
    fn of(self, placeholder: &str) -> Option<&'a str> {
        match placeholder {
            "buyer.name" => Some(self.buyer),
            "agent.name" => Some(self.agent),
            "shop.name" => Some(self.shop),
            _ => None,
        }
    }
}

/// Whether each placeholder in the text is one that there is. Words in braces count as one; other braces are text.
pub fn is_known(text: &str) -> bool {
    parts(text).all(|part| match part {
        Part::Placeholder { name, .. } => PLACEHOLDERS.contains(&name),
        Part::Text(_) => true,
    })
}

/// The text with names in the places of its placeholders. Names are not looked into.
pub fn render(text: &str, names: Names<'_>) -> String {
    let shown = |part| match part {
        Part::Placeholder { name, whole } => names.of(name).unwrap_or(whole),
        Part::Text(text) => text,
    };
    parts(text).map(shown).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Placeholder { name: &'a str, whole: &'a str },
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = placeholder(rest) {
            let (whole, after) = rest.split_at(name.len() + 2);
            rest = after;
            return Some(Part::Placeholder { name, whole });
        }
        let next = rest.match_indices('{').map(|(at, _)| at).find(|at| *at > 0 && placeholder(&rest[*at..]).is_some());
        let (before, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Part::Text(before))
    })
}

/// The words in braces with which `text` begins.
fn placeholder(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ');
    (!name.is_empty() && name.chars().all(word)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_placeholders_were() {
        let names = Names { buyer: "Mei {shop.name}", agent: "Ann", shop: "Acme" };
        for (text, rendered) in [
            ("Hello {buyer.name}, I am {agent.name}.", "Hello Mei {shop.name}, I am Ann."),
            ("{shop.name}{shop.name}", "AcmeAcme"),
            ("您好，{buyer.name}！", "您好，Mei {shop.name}！"),
            ("{{agent.name}}", "{Ann}"),
            ("{} {\"a\": 1} {", "{} {\"a\": 1} {"),
            ("", ""),
        ] {
            assert!(is_known(text), "{text}");
            assert_eq!(render(text, names), rendered);
        }
        for unknown in
            ["{name}", "Hi {buyer.uid}", "{Buyer.name}", "{ buyer.name }", "{{customer}}", "{买家}", "{} {x}"]
        {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
