//! `envoy/kubernetes/`.

use std::fs;
use std::process::Command;

use gatelog_testkit::{EnvoyConfig, checkout, yaml_documents};
use serde_json::{Value, json};

use crate::program::{COLLECTOR, CONSOLE, read};

const FILES: [&str; 3] = [
    "envoy/kubernetes/collector.yaml",
    "envoy/kubernetes/gateway.yaml",
    "envoy/kubernetes/console.yaml",
];

fn all() -> Vec<Value> {
    FILES.iter().flat_map(|file| yaml_documents(file).unwrap()).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    let found: Vec<_> = all().into_iter().filter(|document| document["kind"] == kind).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn named(kind: &str, name: &str) -> Value {
    let found = of_kind(kind).into_iter().find(|document| document["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Pods' templates, by name.
fn pods() -> [(&'static str, Value); 3] {
    let collector = named("StatefulSet", "gatelog-collector");
    let gateway = named("Deployment", "gatelog-gateway");
    let console = named("Deployment", "gatelog-console");
    [
        ("collector", collector["spec"]["template"].clone()),
        ("gateway", gateway["spec"]["template"].clone()),
        ("console", console["spec"]["template"].clone()),
    ]
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Every value under this key, at any depth.
fn everywhere<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if name == key {
                    found.push(value);
                }
                everywhere(value, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| everywhere(item, key, found)),
        _ => {}
    }
}

#[test]
fn the_manifests_follow_the_schemas_of_kubernetes() {
    let validator = checkout().join(".tools/venv/bin/kubernetes-validate");
    assert!(validator.exists(), "kubernetes-validate is missing: run 'make tools'");
    // The oldest release that knows all of it, and a recent one.
    for version in ["1.30", "1.37"] {
        let files = FILES.map(|file| checkout().join(file));
        let mut command = Command::new(&validator);
        let checked = command.args(["--strict", "-k", version]).args(files).output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(checked.status.success(), "{version}:\n{said}");
        assert_eq!(said.matches(" passed ").count(), all().len(), "{version}:\n{said}");
    }
}

#[test]
fn every_container_is_confined_pinned_and_bounded() {
    for (name, pod) in pods() {
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in list(&spec["containers"]) {
            // No image by mistake: the API server rejects an empty one.
            assert_eq!(container["image"], "", "{name}");
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        }
    }
}

#[test]
fn selectors_select_and_ports_lead_to_ports() {
    let pods = pods();
    let mut selectors = Vec::new();
    let all = all();
    for document in &all {
        for key in ["matchLabels", "selector"] {
            everywhere(document, key, &mut selectors);
        }
    }
    let labels = "app.kubernetes.io/name";
    let wanted: Vec<_> = selectors.iter().filter_map(|selector| selector.get(labels)).collect();
    assert!(wanted.len() > 8, "{wanted:?}");
    for name in wanted {
        assert!(pods.iter().any(|(_, pod)| pod["metadata"]["labels"][labels] == *name), "{name}");
    }
    for service in of_kind("Service") {
        if service["spec"]["type"] == "ExternalName" {
            assert_eq!(service["spec"]["externalName"], "", "the API server refuses an empty one");
            continue;
        }
        let selected = &service["spec"]["selector"][labels];
        let (_, pod) =
            pods.iter().find(|(_, pod)| pod["metadata"]["labels"][labels] == *selected).unwrap();
        let container = &pod["spec"]["containers"][0];
        for port in list(&service["spec"]["ports"]) {
            let named = list(&container["ports"]).any(|open| open["name"] == port["targetPort"]);
            assert!(named, "{service:#}");
        }
    }
}

#[test]
fn the_collector_listens_where_its_port_and_its_probes_are_and_keeps_its_spool_on_the_volume() {
    let settings = &named("ConfigMap", "gatelog-collector")["data"];
    let [(_, pod), ..] = pods();
    let container = &pod["spec"]["containers"][0];
    let own = list(&container["env"]).map(|variable| variable["name"].as_str().unwrap());
    let shared = settings.as_object().unwrap().keys().map(String::as_str);
    COLLECTOR.assert_variables(FILES[0], own.chain(shared));

    let port = &container["ports"][0];
    let listen = format!("0.0.0.0:{}", port["containerPort"]);
    assert_eq!(settings["GATELOG_LISTEN"], listen);
    for (probe, path) in
        [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"), ("startupProbe", "/healthz")]
    {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], port["name"]);
    }

    let mounted = |volume: &str| {
        let mut mounts = list(&container["volumeMounts"]);
        mounts.find(|mount| mount["name"] == volume).unwrap()["mountPath"].as_str().unwrap()
    };
    let set = named("StatefulSet", "gatelog-collector");
    let volume = set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"].as_str().unwrap();
    let spool = settings["GATELOG_SPOOL_DIR"].as_str().unwrap();
    assert!(spool.starts_with(mounted(volume)), "{spool}");
    assert_eq!(settings["GATELOG_TOKENS_FILE"], format!("{}/tokens", mounted("tokens")));
    let headless = named("Service", set["spec"]["serviceName"].as_str().unwrap());
    assert_eq!(headless["spec"]["clusterIP"], "None");
}

/// The lines of a file that set something when their `#` is taken away: "  #NAME: value".
fn suggested(file: &str) -> Vec<String> {
    let text = read(file);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('#')?.split_once(": "));
    let names = lines.map(|(name, _)| name.to_owned());
    names.filter(|name| name.starts_with("GATELOG_") && !name.contains(' ')).collect()
}

#[test]
fn the_console_listens_where_its_port_and_its_probes_are_and_reads_its_secrets_where_they_are() {
    let settings = &named("ConfigMap", "gatelog-console")["data"];
    let [.., (_, pod)] = pods();
    let container = &pod["spec"]["containers"][0];
    let own = list(&container["env"]).map(|variable| variable["name"].as_str().unwrap());
    let shared = settings.as_object().unwrap().keys().map(String::as_str);
    let suggested = suggested(FILES[2]);
    assert_eq!(suggested.len(), 2, "{suggested:?}");
    let suggested = suggested.iter().map(String::as_str);
    CONSOLE.assert_variables(FILES[2], own.chain(shared).chain(suggested));
    CONSOLE.assert_command(FILES[2], &[container["args"][0].as_str().unwrap()]);

    let port = &container["ports"][0];
    let listen = format!("0.0.0.0:{}", port["containerPort"]);
    assert_eq!(settings["GATELOG_CONSOLE_LISTEN"], listen);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        assert_eq!(container[probe]["httpGet"]["path"], "/healthz");
        assert_eq!(container[probe]["httpGet"]["port"], port["name"]);
    }
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let items = &pod["spec"]["volumes"][0]["secret"]["items"];
    for (variable, path) in [
        ("GATELOG_CONSOLE_TOKENS_FILE", "viewers"),
        ("GATELOG_CONSOLE_COLLECTOR_TOKEN_FILE", "console-token"),
    ] {
        assert_eq!(settings[variable], format!("{mount}/{path}"));
        assert!(list(items).any(|item| item["path"] == path), "{path}");
    }
    let collector = named("Service", "gatelog-collector");
    let url = format!("http://gatelog-collector:{}", collector["spec"]["ports"][0]["port"]);
    assert_eq!(settings["GATELOG_CONSOLE_COLLECTOR"], url);
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn there_is_enough_time_to_stop() {
    let [(_, collector), (_, gateway), (_, console)] = pods();
    let grace = |pod: &Value| pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    for (pod, map, timeout) in [
        (&collector, "gatelog-collector", "GATELOG_SHUTDOWN_TIMEOUT"),
        (&console, "gatelog-console", "GATELOG_CONSOLE_SHUTDOWN_TIMEOUT"),
    ] {
        let stop = seconds(named("ConfigMap", map)["data"][timeout].as_str().unwrap());
        let pause = &pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
        assert!(grace(pod) > pause.as_u64().unwrap() + 2 * stop, "{map}");
    }

    let hook = &gateway["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    let [program, admin, limit, _] = hook.as_array().unwrap().as_slice() else { panic!("{hook}") };
    let limit: u64 = limit.as_str().unwrap().parse().unwrap();
    assert!(grace(&gateway) > limit);
    let copied = format!("COPY --chmod=0555 envoy/drain.sh {}", program.as_str().unwrap());
    assert!(read("packaging/filter.Dockerfile").contains(&copied), "{copied}");
    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    let listens = config.at("/admin/address/socket_address").unwrap();
    let listens = format!("{}:{}", listens["address"].as_str().unwrap(), listens["port_value"]);
    assert_eq!(*admin, listens);
}

#[test]
fn the_gateways_cluster_is_the_headless_service() {
    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    let cluster = config.cluster("gatelog_collector").unwrap();
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let address = cluster.pointer(place).unwrap();
    let service = named("Service", address["address"].as_str().unwrap());
    assert_eq!(service["spec"]["ports"][0]["port"], address["port_value"]);
    let service = config.cluster("service").unwrap().pointer(place).unwrap();
    named("Service", service["address"].as_str().unwrap());
    // Istio and Envoy Gateway know the other one by its name and port.
    let port = named("Service", "gatelog-collector")["spec"]["ports"][0]["port"].to_string();
    for other in
        ["envoy/istio.yaml", "envoy/istio-traffic-extension.yaml", "envoy/envoy-gateway.yaml"]
    {
        let text = read(other);
        assert!(text.contains("gatelog-collector.gatelog") && text.contains(&port), "{other}");
    }
}

#[test]
fn every_key_of_the_secret_is_in_the_command_that_makes_it() {
    let kustomization = read("envoy/kustomization.yaml");
    let mut keys = Vec::new();
    let all = all();
    for document in &all {
        let mut found = Vec::new();
        everywhere(document, "secretKeyRef", &mut found);
        keys.extend(found.iter().map(|reference| reference["key"].as_str().unwrap()));
        let mut found = Vec::new();
        everywhere(document, "secret", &mut found);
        let items = found.iter().flat_map(|volume| list(&volume["items"]));
        keys.extend(items.map(|item| item["key"].as_str().unwrap()));
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
    for key in keys {
        assert!(kustomization.contains(&format!("--from-literal={key}=")), "{key}");
    }
}

fn kustomization() -> Value {
    yaml_documents("envoy/kustomization.yaml").unwrap().remove(0)
}

#[test]
fn the_kustomization_names_every_file() {
    let file = kustomization();
    let resources: Vec<_> =
        list(&file["resources"]).map(|path| format!("envoy/{}", path.as_str().unwrap())).collect();
    assert_eq!(resources, FILES);
    let source = file["configMapGenerator"][0]["files"][0].as_str().unwrap();
    let (name, path) = source.split_once('=').unwrap();
    assert!(checkout().join("envoy").join(path).is_file());
    let [_, (_, gateway), _] = pods();
    let envoy = &gateway["spec"]["containers"][0];
    let wanted = format!("{}/{name}", envoy["volumeMounts"][0]["mountPath"].as_str().unwrap());
    assert!(list(&envoy["args"]).any(|argument| *argument == wanted));
}

/// The settings of `site.env.example`: names without values.
fn settings() -> Vec<String> {
    let example = read("envoy/kubernetes/site.env.example");
    let lines = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.strip_suffix('=').unwrap_or_else(|| panic!("{line}")).to_owned())
        .collect()
}

#[test]
fn a_missing_file_asks_for_the_settings_of_a_site() {
    let file = kustomization();
    let site = &file["configMapGenerator"][1];
    assert_eq!(site["envs"], json!(["kubernetes/site.env"]));
    assert_eq!(site["options"]["annotations"]["config.kubernetes.io/local-config"], "true");
    // Never committed, never in an image.
    for ignored in [".gitignore", ".dockerignore"] {
        assert!(read(ignored).contains("envoy/kubernetes/site.env\n"), "{ignored}");
    }
    let mut filled = Vec::new();
    for replacement in list(&file["replacements"]) {
        let source = &replacement["source"];
        assert_eq!((&source["kind"], &source["name"]), (&json!("ConfigMap"), &site["name"]));
        let setting = source["fieldPath"].as_str().unwrap().strip_prefix("data.").unwrap();
        filled.push(setting.to_owned());
        let target = &replacement["targets"][0];
        let resource = named(
            target["select"]["kind"].as_str().unwrap(),
            target["select"]["name"].as_str().unwrap(),
        );
        let mut at = &resource;
        for step in target["fieldPaths"][0].as_str().unwrap().split('.') {
            let name = step.strip_prefix("[name=").and_then(|name| name.strip_suffix(']'));
            at = match name {
                Some(name) => list(at).find(|item| item["name"] == name).unwrap(),
                None => &at[step],
            };
        }
        assert_eq!(*at, "", "{setting}: what is filled in is empty in the file");
    }
    assert_eq!(filled, settings());
}

#[test]
fn kustomize_applies_nothing_without_the_site_and_everything_with_it() {
    let Ok(version) = Command::new("kubectl").args(["version", "--client"]).output() else {
        eprintln!("not checked: kubectl is not installed");
        return;
    };
    assert!(version.status.success());
    // A copy: the checkout's own site.env is the operator's.
    let directory = tempfile::tempdir().unwrap();
    let envoy = directory.path().join("envoy");
    fs::create_dir_all(envoy.join("kubernetes")).unwrap();
    for file in FILES.iter().chain(&["envoy/kustomization.yaml", "envoy/container.yaml"]) {
        fs::copy(checkout().join(file), directory.path().join(file)).unwrap();
    }
    let kustomize = || {
        let built = Command::new("kubectl").arg("kustomize").arg(&envoy).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (built.status.success(), text(built.stdout), text(built.stderr))
    };
    let (built, applied, said) = kustomize();
    assert!(!built && applied.is_empty(), "{applied}");
    assert!(said.contains("site.env"), "{said}");

    let mut site = read("envoy/kubernetes/site.env.example");
    for setting in settings() {
        site = site.replace(&format!("{setting}="), &format!("{setting}={setting}.test"));
    }
    fs::write(envoy.join("kubernetes/site.env"), site).unwrap();
    let (built, applied, said) = kustomize();
    assert!(built, "{said}");
    for wanted in [
        "image: COLLECTOR_IMAGE.test",
        "image: GATEWAY_IMAGE.test",
        "image: CONSOLE_IMAGE.test",
        "externalName: SERVICE_NAME.test",
    ] {
        assert!(applied.contains(wanted), "no {wanted}");
    }
    assert!(!applied.contains("COLLECTOR_IMAGE:"), "the site's settings would be applied too");
}

/// Whether a policy allows this pod of this namespace to reach this port, by number or name.
fn admits(policy: &Value, namespace: &str, labels: &Value, port: &Value) -> bool {
    let covers = |selector: &Value, labels: &Value| {
        let wanted = selector["matchLabels"].as_object().into_iter().flatten();
        wanted.clone().all(|(name, value)| labels[name] == *value)
    };
    list(&policy["spec"]["ingress"]).any(|rule| {
        let from = rule.get("from").is_none_or(|peers| {
            list(peers).any(|peer| {
                let own =
                    peer.get("namespaceSelector").map_or(namespace == "gatelog", |selector| {
                        covers(selector, &json!({ "kubernetes.io/metadata.name": namespace }))
                    });
                own && peer.get("podSelector").is_none_or(|selector| covers(selector, labels))
            })
        });
        from && list(&rule["ports"]).any(|open| open["port"] == *port)
    })
}

#[test]
fn the_policies_admit_every_kind_of_gateway_the_console_and_the_scrapes_and_nobody_else() {
    let collector = named("NetworkPolicy", "gatelog-collector");
    let gateway = named("NetworkPolicy", "gatelog-gateway");
    let console = named("NetworkPolicy", "gatelog-console");
    let of_console = json!({ "app.kubernetes.io/name": "gatelog-console" });
    let pages = json!(8687);
    let own = json!({ "app.kubernetes.io/name": "gatelog-gateway" });
    let of_envoy_gateway = json!({ "app.kubernetes.io/name": "envoy",
        "app.kubernetes.io/component": "proxy", "app.kubernetes.io/managed-by": "envoy-gateway" });
    let other = json!({ "app.kubernetes.io/name": "another" });
    let (batches, http, stats) = (json!(8686), json!("http"), json!("stats"));
    for (policy, namespace, labels, port, admitted) in [
        (&collector, "gatelog", &own, &batches, true),
        (&collector, "istio-ingress", &other, &batches, true),
        (&collector, "envoy-gateway-system", &of_envoy_gateway, &batches, true),
        (&collector, "monitoring", &other, &batches, true),
        (&collector, "gatelog", &other, &batches, false),
        (&collector, "envoy-gateway-system", &other, &batches, false),
        (&collector, "default", &own, &batches, false),
        (&collector, "gatelog", &of_console, &batches, true),
        (&console, "gatelog", &own, &pages, true),
        (&console, "istio-ingress", &other, &pages, true),
        (&console, "envoy-gateway-system", &of_envoy_gateway, &pages, true),
        (&console, "monitoring", &other, &pages, true),
        (&console, "gatelog", &other, &pages, false),
        (&console, "default", &own, &pages, false),
        (&gateway, "default", &other, &http, true),
        (&gateway, "monitoring", &other, &stats, true),
        (&gateway, "default", &other, &stats, false),
    ] {
        let name = &policy["metadata"]["name"];
        assert_eq!(admits(policy, namespace, labels, port), admitted, "{name}: {namespace} {port}");
    }
}

#[test]
fn metrics_are_scraped_where_they_are_served() {
    let monitors = yaml_documents("envoy/kubernetes/podmonitor.yaml").unwrap();
    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    let listener = config.at("/static_resources/listeners/1").unwrap().clone();
    for (name, pod) in pods() {
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/scrape"], "true", "{name}");
        let selected = &pod["metadata"]["labels"]["app.kubernetes.io/name"];
        let monitor = monitors.iter().find(|monitor| {
            monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == *selected
        });
        let endpoint = &monitor.unwrap()["spec"]["podMetricsEndpoints"][0];
        let ports = &pod["spec"]["containers"][0]["ports"];
        let port = list(ports).find(|port| port["name"] == endpoint["port"]).unwrap();
        assert_eq!(annotations["prometheus.io/port"], port["containerPort"].to_string(), "{name}");
        assert_eq!(annotations["prometheus.io/path"], endpoint["path"], "{name}");
        if name == "gateway" {
            let served = &listener["address"]["socket_address"]["port_value"];
            assert_eq!(*served, port["containerPort"]);
            let mut routes = Vec::new();
            everywhere(&listener, "routes", &mut routes);
            assert_eq!(routes[0][0]["match"]["path"], endpoint["path"]);
            assert_eq!(routes[0].as_array().unwrap().len(), 1);
        }
    }
}
