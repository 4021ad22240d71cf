//! AWS as others read it: moto's Secrets Manager and dynalite's DynamoDB, one of each a test run.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use aws::{Clients, DynamoRegistry, SecretsManagerVault};
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use broker::random;
use broker::store::records::{AGENDA, DUE};

/// Gives the address of moto's Secrets Manager.
pub fn secrets_manager() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let python = crate::tool_folder("python/emulators").join("bin/python");
        start(Command::new(python).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/secrets_manager.py")))
    })
}

/// Gives the address of dynalite.
pub fn dynamodb() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        start(Command::new("node").current_dir(crate::tool_folder("npm")).arg("dynalite.mjs"))
    })
}

/// Gives a vault of its own in moto's Secrets Manager.
pub async fn vault() -> SecretsManagerVault {
    let client = clients(secrets_manager()).await.secrets_manager;
    SecretsManagerVault::new(client, format!("test/{}/", random::id()), None)
}

/// Puts a secret into moto's Secrets Manager, and gives its name.
pub async fn secret(value: &str) -> String {
    let (client, name) = (clients(secrets_manager()).await.secrets_manager, random::id());
    client.create_secret().name(&name).secret_string(value).send().await.unwrap();
    name
}

/// Adds a master secret to those of a secret in moto's Secrets Manager, as an operator rotates keys.
pub async fn add_key(name: &str) {
    let client = clients(secrets_manager()).await.secrets_manager;
    let old = client.get_secret_value().secret_id(name).send().await.unwrap().secret_string.unwrap();
    let both = format!("{old} {}", random::secret());
    client.put_secret_value().secret_id(name).secret_string(both).send().await.unwrap();
}

/// Gives a registry with a table of its own in dynalite, and the table's name.
pub async fn registry() -> (DynamoRegistry, String) {
    let client = clients(dynamodb()).await.dynamodb;
    let table = random::id();
    let name =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(name(aws::registry::PARTITION).build().unwrap())
        .attribute_definitions(name(aws::registry::SORT).build().unwrap())
        .attribute_definitions(name(AGENDA).build().unwrap())
        .attribute_definitions(name(DUE).attribute_type(ScalarAttributeType::N).build().unwrap())
        .global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(aws::registry::AGENDAS)
                .key_schema(key(AGENDA, KeyType::Hash))
                .key_schema(key(DUE, KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
                .build()
                .unwrap(),
        )
        .key_schema(key(aws::registry::PARTITION, KeyType::Hash))
        .key_schema(key(aws::registry::SORT, KeyType::Range))
        .send()
        .await
        .unwrap();
    let described =
        || async { client.describe_table().table_name(&table).send().await.unwrap().table.unwrap() };
    crate::until(async || described().await.table_status().is_some_and(|status| status.as_str() == "ACTIVE"))
        .await;
    (DynamoRegistry::new(client, &table), table)
}

async fn clients(address: &str) -> Clients {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(address)
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    Clients::load(loader).await.unwrap()
}

/// Starts an emulator that prints its address and ends when its standard input does, with the tests.
fn start(command: &mut Command) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    std::mem::forget(child);
    address.trim().to_owned()
}
