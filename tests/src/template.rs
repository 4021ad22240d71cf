//! What `infra/template.yaml` deploys: its functions, the paths that go to each, and their variables.

use std::collections::{BTreeMap, BTreeSet};

use serde_norway::Value;

/// A function of the template.
#[derive(Debug)]
pub struct Deployed {
    /// The binary.
    pub binary: String,
    /// The paths that go to it, with any method; the empty one is the rest.
    pub paths: BTreeSet<String>,
    /// Its variables, with the values as they stand in the template.
    pub variables: BTreeMap<String, Value>,
    /// The actions that its role allows.
    pub rights: Vec<Right>,
}

/// An action that a role allows.
#[derive(Debug)]
pub struct Right {
    /// The action.
    pub action: String,
    /// The resource, as it stands in the template.
    pub resource: Value,
    /// The partitions of the table that it is allowed for, `*` at the end for any; `None`: all.
    pub partitions: Option<Vec<String>>,
}

/// Reads the functions out of the template.
pub fn functions() -> Vec<Deployed> {
    let template: Value = serde_norway::from_str(include_str!("../../infra/template.yaml")).unwrap();
    let resources = template["Resources"].as_mapping().unwrap();
    let functions = resources.values().filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|resource| function(resource, &template["Resources"])).collect()
}

fn function(resource: &Value, resources: &Value) -> Deployed {
    let properties = &resource["Properties"];
    let events = properties["Events"].as_mapping().unwrap();
    let requests = events.values().filter(|event| event["Type"] == "HttpApi");
    let path = |event: &Value| {
        let route = &event["Properties"];
        let path = route.get("Path").map(|path| path.as_str().unwrap().to_owned());
        assert!(path.is_none() || route["Method"] == "ANY", "the function, not the gateway, answers 405");
        path.unwrap_or_default()
    };
    let variables =
        properties.get("Environment").and_then(|environment| environment["Variables"].as_mapping());
    let variable = |(name, value): (&Value, &Value)| (name.as_str().unwrap().to_owned(), value.clone());
    let Value::Tagged(role) = &properties["Role"] else { panic!("a role of its own") };
    let role = role.value.as_str().unwrap().strip_suffix(".Arn").unwrap();
    Deployed {
        rights: rights(&resources[role]["Properties"]["Policies"]),
        binary: resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap().to_owned(),
        paths: requests.map(path).collect(),
        variables: variables.into_iter().flatten().map(variable).collect(),
    }
}

/// Writes a path of the gateway for `matchit`: what takes all that follows is `{proxy+}` there.
pub fn matched(path: &str) -> String {
    path.replace("{proxy+}", "{*proxy}")
}

fn rights(policies: &Value) -> Vec<Right> {
    let statements = policies
        .as_sequence()
        .unwrap()
        .iter()
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_sequence().unwrap());
    let each = |value: &Value| value.as_sequence().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut rights = Vec::new();
    for statement in statements {
        let condition = statement.get("Condition").map(|condition| {
            let keys = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            each(keys).iter().map(|key| key.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        for action in each(&statement["Action"]) {
            for resource in each(&statement["Resource"]) {
                let (action, partitions) = (action.as_str().unwrap().to_owned(), condition.clone());
                rights.push(Right { action, resource, partitions });
            }
        }
    }
    rights
}
