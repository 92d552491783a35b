//! The fields that columns can fill, and the headers by which they are known in files of many programs and four languages.

use deunicode::deunicode;

use super::Kind;

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Date,
    Number,
}

/// A field that columns can fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) of_type: Type,
    /// Whether several columns may fill it.
    pub(crate) repeated: bool,
    /// Headers, folded by [`fold`], the surest first.
    headers: &'static [&'static str],
}

impl Field {
    const fn text(name: &'static str, headers: &'static [&'static str]) -> Self {
        Self { name, of_type: Type::Text, repeated: false, headers }
    }

    const fn many(name: &'static str, headers: &'static [&'static str]) -> Self {
        Self { name, of_type: Type::Text, repeated: true, headers }
    }

    const fn date(name: &'static str, headers: &'static [&'static str]) -> Self {
        Self { name, of_type: Type::Date, repeated: false, headers }
    }

    const fn number(name: &'static str, headers: &'static [&'static str]) -> Self {
        Self { name, of_type: Type::Number, repeated: false, headers }
    }
}

const EMAILS: &[&str] =
    &["email", "emailaddress", "mail", "correo", "correoelectronico", "pochta", "elpochta", "elektronnaiapochta"];
const PHONES: &[&str] = &[
    "phone",
    "phonenumber",
    "mobile",
    "mobilephone",
    "tel",
    "telephone",
    "telefono",
    "movil",
    "telefone",
    "celular",
    "telefon",
    "mobilnyi",
    "mobilnyitelefon",
];
const COUNTRIES: &[&str] = &["country", "pais", "strana", "address1country", "countryname"];
const NAMES: &[&str] = &[
    "name",
    "fullname",
    "displayname",
    "customername",
    "clientname",
    "nombrecompleto",
    "nombreyapellidos",
    "nomecompleto",
    "fio",
    "klient",
    "cliente",
    "naimenovanie",
    "razonsocial",
    "razaosocial",
    "companyname",
    "company",
    "empresa",
    "kompaniia",
];
const CUSTOMER_IDS: &[&str] = &[
    "customeruniqueid",
    "customerid",
    "clientid",
    "customernumber",
    "customerno",
    "contactid",
    "recordid",
    "userid",
    "externalid",
    "idcliente",
    "codigocliente",
    "idklienta",
    "kodklienta",
    "nomerklienta",
    "identifier",
    "id",
    "codigo",
    "kod",
    "customer",
];

/// Fields of rows that are customers.
const CUSTOMERS: [Field; 10] = [
    Field::text("external_id", CUSTOMER_IDS),
    Field::text("first_name", &["firstname", "givenname", "nombre", "primernombre", "primeironome", "imia"]),
    Field::text("middle_name", &["middlename", "additionalname", "segundonombre", "nomedomeio", "otchestvo"]),
    Field::text("last_name", &["lastname", "familyname", "surname", "apellido", "apellidos", "sobrenome", "familiia"]),
    Field::text("name", NAMES),
    Field::many("email", EMAILS),
    Field::many("phone", PHONES),
    Field::text("country", COUNTRIES),
    Field::text("kind", &["customertype", "clienttype", "tipocliente", "tipodecliente", "tipklienta"]),
    Field::date(
        "registered_at",
        &[
            "registeredat",
            "registrationdate",
            "createdate",
            "createdat",
            "createddate",
            "datecreated",
            "signupdate",
            "firstseen",
            "fecharegistro",
            "fechadealta",
            "datacadastro",
            "datadecadastro",
            "dataregistratsii",
            "datasozdaniia",
        ],
    ),
];

/// Fields of rows that are orders, or lines of them.
const ORDERS: [Field; 16] = [
    Field::text(
        "order.number",
        &[
            "ordernumber",
            "orderno",
            "invoiceno",
            "invoicenumber",
            "invoice",
            "orderid",
            "order",
            "numeropedido",
            "numerodepedido",
            "npedido",
            "pedido",
            "factura",
            "numerodopedido",
            "nomerzakaza",
            "zakaz",
            "zakaznomer",
        ],
    ),
    Field::text("order.external_id", &["orderexternalid", "externalorderid", "idpedido", "idzakaza"]),
    Field::date(
        "order.placed_at",
        &[
            "orderdate",
            "placedat",
            "invoicedate",
            "orderpurchasetimestamp",
            "purchasedate",
            "purchasetimestamp",
            "orderedat",
            "datetime",
            "date",
            "fechapedido",
            "fechadelpedido",
            "fecha",
            "datapedido",
            "datadopedido",
            "data",
            "datazakaza",
            "createdat",
            "timestamp",
            "shippinglimitdate",
        ],
    ),
    Field::text("order.status", &["orderstatus", "status", "estado", "estadopedido", "situacao", "statuszakaza"]),
    Field::text("order.currency", &["currency", "currencycode", "moneda", "divisa", "moeda", "valiuta"]),
    Field::number(
        "order.total",
        &[
            "ordertotal",
            "total",
            "totalamount",
            "grandtotal",
            "amount",
            "dollarvalue",
            "ordervalue",
            "revenue",
            "totalpedido",
            "importe",
            "importetotal",
            "valortotal",
            "valor",
            "summa",
            "summazakaza",
            "itogo",
            "paymentvalue",
        ],
    ),
    Field::text("customer.external_id", CUSTOMER_IDS),
    Field::text("customer.name", NAMES),
    Field::many("customer.email", EMAILS),
    Field::many("customer.phone", PHONES),
    Field::text("customer.country", COUNTRIES),
    Field::text(
        "line.sku",
        &[
            "sku",
            "stockcode",
            "productid",
            "productcode",
            "itemcode",
            "article",
            "articulo",
            "referencia",
            "codigoproducto",
            "artikul",
            "idtovara",
        ],
    ),
    Field::text(
        "line.name",
        &[
            "productname",
            "itemname",
            "description",
            "product",
            "item",
            "producto",
            "descripcion",
            "produto",
            "descricao",
            "tovar",
            "nazvanietovara",
        ],
    ),
    Field::number(
        "line.quantity",
        &["quantity", "qty", "units", "numberofcds", "cantidad", "quantidade", "qtd", "kolichestvo", "kolvo"],
    ),
    Field::number(
        "line.unit_price",
        &[
            "unitprice",
            "price",
            "itemprice",
            "preciounitario",
            "precio",
            "precounitario",
            "preco",
            "tsena",
            "tsenazaedinitsu",
        ],
    ),
    Field::number(
        "line.freight",
        &[
            "freight",
            "freightvalue",
            "shipping",
            "shippingcost",
            "delivery",
            "gastosdeenvio",
            "envio",
            "frete",
            "dostavka",
        ],
    ),
];

/// The fields of a kind of import.
pub(crate) const fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Customers => &CUSTOMERS,
        Kind::Orders => &ORDERS,
    }
}

/// The field of this name.
pub(crate) fn field(kind: Kind, name: &str) -> Option<&'static Field> {
    fields(kind).iter().find(|field| field.name == name)
}

/// A header in one spelling: Latin letters and digits alone.
pub(crate) fn fold(header: &str) -> String {
    let header: String = header.chars().take(200).collect();
    deunicode(&header).chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// How well a header fits a field: the smaller the better; `None` where it does not.
pub(crate) fn fit(field: &Field, header: &str) -> Option<usize> {
    if let Some(place) = field.headers.iter().position(|known| *known == header) {
        return Some(place);
    }
    // `E-mail 1 - Value`, `phone_work`, `Home Phone`: a word of the field, and nothing that says it is about something else.
    let about_it = ["label", "type", "optin", "optout", "status", "verified", "count", "consent", "date", "id"];
    let root = match field.name {
        "email" | "customer.email" => ["email", "correo", "pochta"].as_slice(),
        "phone" | "customer.phone" => ["phone", "mobile", "telefon", "celular", "movil"].as_slice(),
        _ => return None,
    };
    let fits = root.iter().any(|root| header.contains(root)) && !about_it.iter().any(|word| header.ends_with(word));
    fits.then_some(field.headers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_in_four_languages() {
        for (header, name) in [
            ("E-mail 1 - Value", "email"),
            ("Correo electrónico", "email"),
            ("Телефон", "phone"),
            ("Teléfono móvil", "phone"),
            ("phone_work", "phone"),
            ("Имя", "first_name"),
            ("Фамилия", "last_name"),
            ("Apellidos", "last_name"),
            ("Sobrenome", "last_name"),
            ("ФИО", "name"),
            ("Страна", "country"),
            ("País", "country"),
        ] {
            let field = field(Kind::Customers, name).unwrap();
            assert!(fit(field, &fold(header)).is_some(), "{header}: {}", fold(header));
        }
        for header in ["E-mail 1 - Type", "Phone 1 - Label", "email_opt_in", "Notes"] {
            let any = fields(Kind::Customers).iter().find(|field| fit(field, &fold(header)).is_some());
            assert!(any.is_none(), "{header}: {any:?}");
        }
    }

    #[test]
    fn every_header_is_spelled_as_it_is_compared() {
        for field in fields(Kind::Customers).iter().chain(fields(Kind::Orders)) {
            for header in field.headers {
                assert_eq!(fold(header), *header);
            }
        }
    }
}
