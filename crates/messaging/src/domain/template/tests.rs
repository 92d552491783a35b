use proptest::prelude::*;

use super::*;

fn known() -> Known {
    let [customer_name, customer_email, sender_name, company_name] =
        ["Ana & <Co>", "ana@example.com", "Ivan", "Clientele"].map(str::to_owned);
    Known { customer_name, customer_email, sender_name, company_name }
}

fn texts(subject: &str, text: &str, html: &str) -> Texts {
    Texts { subject: subject.to_owned(), text: text.to_owned(), html: html.to_owned() }
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let mut violations = Violations::new();
    let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables = Variables::check(given, &mut violations);
    assert!(violations.is_empty());
    variables
}

fn fields(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.field.as_str()).collect()
}

#[test]
fn variables_are_filled_in_and_escaped_in_html_alone() {
    let texts =
        texts("Order {{ number }}", "Dear {{ customer.name }},\n{{ company.name }}", "<p>{{ customer.name }}</p>");
    let content = texts.render(&known(), &variables(&[("number", "7 <b>")])).unwrap();
    assert_eq!(content.subject, "Order 7 <b>");
    assert_eq!(content.text, "Dear Ana & <Co>,\nClientele");
    assert_eq!(content.html, "<p>Ana &amp; &lt;Co&gt;</p>");
}

#[test]
fn a_letter_without_plain_text_gets_one_from_its_html() {
    let content = texts("Hi", "", "<p>Dear {{ customer.name }}</p>").render(&known(), &variables(&[])).unwrap();
    assert_eq!(content.text, "Dear Ana & <Co>");
}

#[test]
fn the_variables_of_one_s_own_are_found() {
    let mut violations = Violations::new();
    let found = texts("{{ b }}", "{{ customer.name }} {% if a %}{{ sender.name|upper }}{% endif %}", "{{ b }}")
        .variables(&mut violations);
    assert!(violations.is_empty());
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn a_variable_that_is_not_given_or_not_known_is_named() {
    let error = texts("{{ number }}", "x", "").render(&known(), &variables(&[])).unwrap_err();
    assert_eq!(fields(&error), ["variables.number"]);
    for wrong in ["{{ customer.phone }}", "{{ customer }}", "{{ order.number }}", "{{ customer['name'] }}{{ sender }}"]
    {
        let error = texts("x", wrong, "").render(&known(), &variables(&[])).unwrap_err();
        assert_eq!(fields(&error)[0], "text", "{wrong}");
    }
}

#[test]
fn what_cannot_be_understood_is_named_with_its_line() {
    let of = |text: &str| {
        let content =
            TemplateContent { name: "n".to_owned(), texts: texts("s", text, ""), active: true }.check().unwrap_err();
        (content.violations[0].field.clone(), content.violations[0].description.clone())
    };
    for wrong in ["a\n{{ name", "a\n{% if x %}", "a\n{{ x|nope }}", "a\n{% for a in b %}{% endfor %}", "a\n{{ x() }}"] {
        let (field, description) = of(wrong);
        assert_eq!(field, "text", "{wrong}");
        assert!(description.starts_with("line 2: "), "{wrong}: {description}");
    }
}

#[test]
fn a_value_cannot_make_a_second_line_of_the_subject() {
    let error =
        texts("Hi {{ x }}", "x", "").render(&known(), &variables(&[("x", "a\nBcc: eve@example.com")])).unwrap_err();
    assert_eq!(fields(&error), ["subject"]);
}

#[test]
fn a_value_cannot_bring_a_script_into_the_html() {
    let attack = r#""><script>alert(1)</script><a href="javascript:x"#;
    let content =
        texts("s", "t", r#"<a href="{{ x }}">here</a>"#).render(&known(), &variables(&[("x", attack)])).unwrap();
    assert!(!content.html.contains("<script") && !content.html.contains("href"), "{}", content.html);
}

#[test]
fn a_text_that_grows_beyond_its_bounds_is_refused() {
    let value = "x".repeat(5_000);
    let error = texts("s", &"{{ x }}".repeat(14_000), "").render(&known(), &variables(&[("x", &value)])).unwrap_err();
    assert_eq!(fields(&error), ["text"]);
    assert!(error.message.contains("once it is filled in"), "{}", error.message);
}

#[test]
fn names_and_number_of_variables_are_bounded() {
    for wrong in ["", "a b", "1a", "customer", "é", "a.b"] {
        let mut violations = Violations::new();
        Variables::check([(wrong.to_owned(), String::new())], &mut violations);
        assert!(!violations.is_empty(), "{wrong}");
    }
    let mut violations = Violations::new();
    Variables::check((0..51).map(|n| (format!("v{n}"), String::new())), &mut violations);
    assert!(!violations.is_empty());
}

#[test]
fn own_text_takes_the_place_of_both_parts_of_the_template() {
    let merged = texts("", "mine", "").or(texts("s", "theirs", "<p>theirs</p>"));
    assert_eq!(merged, texts("s", "mine", ""));
}

proptest! {
    #[test]
    fn no_text_makes_a_panic_and_what_comes_out_keeps_its_bounds(
        subject in "[ -~\n]{0,40}",
        text in "([a-z ]{0,5}|\\{\\{|\\}\\}|\\{%|%\\}|if|endif|else|x|customer.name|\\||[.()\"'\\[\\]]|upper){0,30}",
        html in ".{0,60}",
    ) {
        let mut violations = Violations::new();
        let texts = Texts::check(&subject, &text, &html, &mut violations);
        if let Ok(content) = texts.render(&known(), &variables(&[("x", "1")])) {
            prop_assert!(!content.subject.is_empty() && !content.subject.contains(char::is_control));
        }
    }
}
