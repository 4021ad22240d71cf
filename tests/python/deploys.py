"""What a deploy of infra/template.yaml does, as SAM's own translator says.

Prints one line a check, and fails on the first that does not hold. Each check is also tried on templates that are
broken on purpose, and has to find that.
"""

import copy
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import jmespath
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

INFRA = Path(__file__).resolve().parents[2] / "infra"
FIRST, SECOND = "1" * 64, "2" * 64

# What names something of AWS's, or something inside a resource that is the stack's own.
NOT_NAMES = {
    ("AWS::CloudWatch::Alarm", "MetricName"),
    ("AWS::CodeDeploy::DeploymentGroup", "DeploymentConfigName"),
    ("AWS::Lambda::Alias", "Name"),
    ("AWS::ApiGatewayV2::Stage", "StageName"),
}
# The variables that name what a function shares an account and a Region with.
NAMING_VARIABLES = {"VALETKEY_METRICS", "VALETKEY_SECRET_PREFIX", "VALETKEY_APP_PREFIX"}


class NoManagedPolicies:
    """The translator asks AWS for these; the template names none."""

    def load(self):
        return {}


class Stack:
    """The resources of a stack after SAM's transform, and what the template's functions come to in it."""

    def __init__(self, template, name="one", release=FIRST):
        template = copy.deepcopy(template)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = "s3://bucket/key"
        self.name = name
        self.parameters = {key: value.get("Default") for key, value in template["Parameters"].items()}
        self.parameters |= {"Release": release, "AlarmAddress": "ops@example.com"}
        self.values = self.parameters | {
            "AWS::StackName": name,
            "AWS::Region": "eu-west-1",
            "AWS::AccountId": "123456789012",
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        translated = transform(template, self.parameters, NoManagedPolicies())
        self.conditions = translated["Conditions"]
        self.resources = {
            key: resource
            for key, resource in translated["Resources"].items()
            if "Condition" not in resource or self.resolve({"Condition": resource["Condition"]})
        }

    def of_type(self, kind):
        return {key: resource for key, resource in self.resources.items() if resource["Type"] == kind}

    def versions(self):
        """Gives each function's version: both by their logical ids."""
        versions = self.of_type("AWS::Lambda::Version").items()
        return {version["Properties"]["FunctionName"]["Ref"]: key for key, version in versions}

    def resolve(self, value):
        """Evaluates a value. What CloudFormation names becomes `<stack/resource>`: it differs from stack to stack."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), *_ = value.items()
            known = getattr(self, "_" + function.removeprefix("Fn::").lower(), None)
            if known and (function in ("Ref", "Condition") or function.startswith("Fn::")):
                return known(argument)
            assert not function.startswith("Fn::"), f"{function} is not known here"
        return {key: self.resolve(item) for key, item in value.items()}

    def _ref(self, name):
        return self.values[name] if name in self.values else f"<{self.name}/{name}>"

    def _getatt(self, argument):
        return f"<{self.name}/{argument if isinstance(argument, str) else '.'.join(argument)}>"

    def _sub(self, argument):
        text, given = argument if isinstance(argument, list) else (argument, {})

        def found(match):
            name = match[1]
            if name in given:
                return str(self.resolve(given[name]))
            return str(self._getatt(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}][^}]*)\}", found, text)

    def _join(self, argument):
        return argument[0].join(str(self.resolve(item)) for item in argument[1])

    def _if(self, argument):
        return self.resolve(argument[1] if self._condition(argument[0]) else argument[2])

    def _condition(self, name):
        return self.resolve(self.conditions[name])

    def _equals(self, argument):
        return self.resolve(argument[0]) == self.resolve(argument[1])

    def _not(self, argument):
        return not self.resolve(argument[0])


def functions(template):
    return {key: f for key, f in template["Resources"].items() if f["Type"] == "AWS::Serverless::Function"}


def releases(template):
    """A new release makes a new version of every function, and the same one makes none."""
    first, again, second = (Stack(template, release=release) for release in (FIRST, FIRST, SECOND))
    if first.versions() != again.versions():
        yield "the same release makes another version"
    for function in functions(template):
        before, after = first.versions().get(function), second.versions().get(function)
        if before is None or before == after:
            yield f"a new release makes no new version of {function}"
        # Lambda publishes no version of a function that is as it was, and CloudFormation fails then.
        if first.resources[function] == second.resources[function]:
            yield f"a new release leaves {function} unchanged, so Lambda refuses to publish a version"


def names(template):
    """A second stack that differs in its name alone has no literal name in common with the first."""

    def literal(stack):
        for key, resource in stack.resources.items():
            kind, properties = resource["Type"], stack.resolve(resource.get("Properties", {}))
            for name, value in properties.items():
                if name.endswith("Name") and (kind, name) not in NOT_NAMES:
                    yield f"{key}.{name}", value
            if not properties.get("Namespace", "AWS/").startswith("AWS/"):
                yield f"{key}.Namespace", properties["Namespace"]
            for name in NAMING_VARIABLES & set(properties.get("Environment", {}).get("Variables", {})):
                yield f"{key}.{name}", properties["Environment"]["Variables"][name]

    one, other = (dict(literal(Stack(template, name=name))) for name in ("one", "another"))
    assert one.keys() == other.keys() and len(one) > 40, one
    for key, value in one.items():
        if value == other[key]:
            yield f"both stacks have {key} = {value}"


def kept(template):
    """What is kept when a stack is deleted goes with a failed first deploy, and has no name that a second would take."""
    stack = Stack(template)
    keeping = [key for key, resource in template["Resources"].items() if "DeletionPolicy" in resource]
    assert len(keeping) == 8, keeping
    for key, resource in stack.resources.items():
        policy = resource.get("DeletionPolicy", "Delete")
        # SAM's versions: they have no name, and go with their function.
        if resource["Type"] == "AWS::Lambda::Version" or policy == "Delete":
            continue
        if policy != "RetainExceptOnCreate" or resource.get("UpdateReplacePolicy") != "Retain":
            yield f"{key} stays after a failed first deploy, or does not stay when it is replaced: {policy}"
        yield from (f"{key} has a name" for name in resource["Properties"] if name in ("Name", "TableName"))
        if resource["Properties"].get("DeletionProtectionEnabled"):
            yield f"{key} cannot be deleted by the rollback of a failed first deploy"
    denied = json.loads((INFRA / "stack-policy.json").read_text())["Statement"][1]
    if denied["Effect"] != "Deny" or set(denied["Action"]) != {"Update:Replace", "Update:Delete"}:
        yield "the stack policy does not deny replacement and deletion"
    if set(denied["Resource"]) != {f"LogicalResourceId/{key}" for key in keeping}:
        yield "the stack policy is for other resources than those that are kept"


def alarms(template):
    """Alarms on the faults of the new version, and on nothing else, stop the deployment of each function."""
    stack = Stack(template)
    for key, function in functions(template).items():
        alias = stack.resources[key + "Aliaslive"]
        group = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"]
        group = stack.resources[group]["Properties"]
        if stack.resolve(group["DeploymentConfigName"]) != "CodeDeployDefault.LambdaCanary10Percent5Minutes":
            yield f"{key} is not deployed as DeploymentType says"
        watched = set()
        for alarm in group["AlarmConfiguration"]["Alarms"]:
            properties = stack.resources[alarm["Name"]["Ref"]]["Properties"]
            metric = properties.get("MetricName")
            watched.add(metric)
            version = f"<one/{stack.versions()[key]}.Version>"
            name = f"<one/{key}>"
            own = {"function": name, "version": version}
            awss = {"FunctionName": name, "Resource": f"{name}:live", "ExecutedVersion": version}
            expected = ("AWS/Lambda", awss) if metric == "Errors" else ("one", own)
            dimensions = {d["Name"]: stack.resolve(d["Value"]) for d in properties.get("Dimensions", [])}
            if (stack.resolve(properties.get("Namespace")), dimensions) != expected:
                yield f"{alarm} is not on the new version of {key}: {dimensions}"
            if version not in str(stack.resolve(properties.get("AlarmName"))):
                yield f"{alarm} keeps its state from version to version"
        if watched != faults_of(template, function):
            yield f"{key} is stopped by {watched}"
        variables = function["Properties"].get("Environment", {}).get("Variables", {})
        if stack.resolve(variables.get("VALETKEY_METRICS")) != "one":
            yield f"{key} writes its metrics elsewhere"


def faults_of(template, function):
    """Tells the metrics of a function's faults by what it does."""
    kinds = {event["Type"] for event in function["Properties"]["Events"].values()}
    role = template["Resources"][function["Properties"]["Role"]["Fn::GetAtt"][0]]
    faults = {"Errors"}
    if "HttpApi" in kinds:
        faults.add("ServerError")
    if "ScheduleV2" in kinds:
        # The sweep alone finds that a grant is lost.
        faults.add("GrantLost")
    if "secretsmanager:PutSecretValue" in json.dumps(role):
        faults.add("GrantNotSaved")
    return faults


def environments(template):
    """Each environment has a stack, and parameters that the template knows; none sets the release."""
    configured = re.findall(r"^\[(.*)\.deploy\.parameters\]$", (INFRA / "samconfig.toml").read_text(), re.MULTILINE)
    files = {file.stem: yaml_parse(file.read_text()) for file in (INFRA / "parameters").iterdir()}
    if set(configured) != set(files):
        yield f"{configured} have stacks, {list(files)} have parameters"
    for environment, parameters in files.items():
        for name, value in parameters.items():
            known = template["Parameters"].get(name)
            if known is None or value not in known.get("AllowedValues", [value]) or name == "Release":
                yield f"{environment} sets {name} to {value}"
    if "Default" in template["Parameters"]["Release"]:
        yield "a deploy may leave out the release"


def adoption(template):
    """The commands of adopt.md import what is kept, and nothing else."""
    page = (INFRA / "adopt.md").read_text()
    keeping = {key: resource for key, resource in template["Resources"].items() if "DeletionPolicy" in resource}
    command = re.search(r"^ *(sed .*) >kept\.yaml$", page, re.MULTILINE)[1]
    cut = subprocess.run(command, shell=True, check=True, capture_output=True, text=True, cwd=INFRA).stdout
    cut = yaml_parse(cut)["Resources"]
    if cut != keeping:
        yield f"{list(cut)} are cut out of the template"
    for reference in set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', json.dumps(cut))) - set(cut):
        yield f"what is cut out refers to {reference}"
    # As CloudFormation tells the resources of a stack that was deleted.
    deleted = [
        {"LogicalResourceId": key, "ResourceType": resource["Type"], "PhysicalResourceId": f"the {key}"}
        for key, resource in template["Resources"].items()
    ]
    query = re.search(r'--query "(\[.*?\]\[\])"', page, re.DOTALL)[1].replace("\\\n", "")
    imported = jmespath.search(query, {"StackResourceSummaries": deleted})
    identifiers = {"AWS::KMS::Key": "KeyId", "AWS::DynamoDB::Table": "TableName", "AWS::SecretsManager::Secret": "Id"}
    expected = [
        {
            "LogicalResourceId": key,
            "ResourceType": resource["Type"],
            "ResourceIdentifier": {identifiers.get(resource["Type"]): f"the {key}"},
        }
        for key, resource in keeping.items()
    ]
    if imported != expected:
        yield f"{imported} are imported"


def broken(*path, value=None):
    """Sets what is at a path in a template, or takes it away."""

    def breaks(template):
        *parents, last = path
        for parent in parents:
            template = template[parent]
        if value is None:
            del template[last]
        else:
            template[last] = value

    return breaks


def of(resource, *path, value=None):
    return broken("Resources", resource, *path, value=value)


ERRORS_ALARM = [{"Ref": "ErrorsAlarm"}]
CHECKS = {
    releases: [
        of("UsersFunction", "Properties", "AutoPublishCodeSha256"),
        of("UsersFunction", "Properties", "AutoPublishCodeSha256", value=FIRST),
    ],
    names: [
        of("SweepFunction", "Properties", "Events", "Schedule", "Properties", "OmitName"),
        of("UsersFunction", "Properties", "FunctionName", value="users"),
        of("UsersLog", "Properties", "LogGroupName", value="/valetkey/users"),
        of("Dashboard", "Properties", "DashboardName", value="valetkey"),
        of("DeadGrantsAlarm", "Properties", "Namespace", value="valetkey"),
        of("UsersFunction", "Properties", "Environment", "Variables", "VALETKEY_APP_PREFIX", value="valetkey/app/"),
    ],
    kept: [
        of("Table", "DeletionPolicy", value="Retain"),
        of("Table", "UpdateReplacePolicy"),
        of("Table", "Properties", "DeletionProtectionEnabled", value=True),
        of("TokenKey", "Properties", "Name", value={"Fn::Sub": "${AWS::StackName}/token-key"}),
    ],
    alarms: [
        of("UsersFunction", "Properties", "DeploymentPreference", "Alarms", value=ERRORS_ALARM),
        of("SweepFunction", "Properties", "DeploymentPreference", "Alarms", 2),
        of("InstancesFunction", "Properties", "DeploymentPreference", "Alarms", 2),
        of("UsersFunction", "Properties", "DeploymentPreference", "Type", value="AllAtOnce"),
        of("UsersVersionServerErrors", "Properties", "Dimensions"),
        of("UsersVersionErrors", "Properties", "Dimensions", 2, "Value", value="1"),
        of("UsersVersionServerErrors", "Properties", "AlarmName"),
        of("ElementsFunction", "Properties", "Environment"),
    ],
    environments: [
        broken("Parameters", "LogRetentionDays"),
        broken("Parameters", "LogRetentionDays", "AllowedValues", value=[365]),
        broken("Parameters", "Release", "Default", value=FIRST),
    ],
    adoption: [of("AccessLog", "DeletionPolicy", value="Retain"), of("Table", "Properties", "BillingMode")],
}


def main():
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
    logging.disable(logging.WARNING)
    template = yaml_parse((INFRA / "template.yaml").read_text())
    for check, breaks in CHECKS.items():
        faults = list(check(template))
        if faults:
            sys.exit("\n".join([f"FAILED  {check.__doc__}", *faults]))
        for number, breaks_it in enumerate(breaks):
            worse = copy.deepcopy(template)
            breaks_it(worse)
            if not list(check(worse)):
                sys.exit(f"FAILED  {check.__doc__}\nIt does not notice break {number}.")
        print(f"ok      {check.__doc__}")


main()
