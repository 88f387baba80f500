// The URL of a call and programs that send it. Pure; portal/console/url.py and samples.py write the
// same on the server, and a test holds the two together.

const KEY_VARIABLE = "SUBSCRIPTION_KEY";
const METHODS_WITH_LENGTH = new Set(["POST", "PUT", "PATCH"]);

/** Lone surrogates, which encodeURIComponent refuses, become what the server reads them as. */
const encode = (text) => encodeURIComponent(text.toWellFormed?.() ?? text);

/**
 * The URL in pieces: literal text, and parameters as they are sent, or as `{name}` while empty.
 * `values` are rows of the template's parameters by name, `added` rows of query parameters.
 */
export function urlParts({ url, segments, query }, values, added) {
  const literal = (text) => ({ text, isParameter: false, isHidden: false });
  const filled = (name, encoder = encode) => {
    const row = values[name];
    return { text: row?.value ? encoder(row.value) : `{${name}}`, isParameter: true, isHidden: Boolean(row?.value && row.isHidden) };
  };
  const parts = [literal(url)];
  for (const segment of segments) {
    parts.push(literal("/"));
    if (segment.kind === "literal") parts.push(literal(segment.text));
    else if (segment.kind === "parameter") parts.push(filled(segment.text));
    else if (values[segment.text]?.value) parts.push(filled(segment.text, (text) => text.split("/").map(encode).join("/")));
  }
  let separator = "?";
  for (const part of query) {
    parts.push(literal(`${separator}${part.name}=`));
    parts.push(part.isParameter ? filled(part.value) : literal(part.value));
    separator = "&";
  }
  for (const row of added) {
    parts.push(literal(`${separator}${encode(row.name)}=`));
    parts.push({ text: encode(row.value), isParameter: true, isHidden: row.isHidden });
    separator = "&";
  }
  return parts.filter((part) => part.text !== "");
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curlProgram({ method, url, keyHeader, headers, body, fileName }) {
  const lines = [method === "HEAD" ? `curl --head ${shell(url)}` : `curl --request ${method} ${shell(url)}`];
  if (/[[{]/.test(url)) lines.push("--globoff");
  if (keyHeader !== null) {
    lines.push(
      /^[A-Za-z0-9\-_.]+$/.test(keyHeader)
        ? `--header "${keyHeader}: $${KEY_VARIABLE}"`
        : `--header ${shell(`${keyHeader}: `)}"$${KEY_VARIABLE}"`,
    );
  }
  for (const { name, value } of headers) lines.push(`--header ${shell(value ? `${name}: ${value}` : `${name};`)}`);
  const hasBody = body !== "" || fileName !== null;
  if (hasBody || METHODS_WITH_LENGTH.has(method)) {
    if (!headers.some(({ name }) => name.toLowerCase() === "content-type")) lines.push("--header 'Content-Type:'");
    lines.push(fileName !== null ? `--data-binary ${shell(`@${fileName}`)}` : `--data-raw ${shell(body)}`);
  }
  return lines.join(" \\\n  ");
}

export function pythonProgram({ method, url, keyHeader, headers, body, fileName }) {
  const quoted = JSON.stringify;
  const lines = keyHeader !== null ? ["import os", ""] : [];
  lines.push("import requests", "", "response = requests.request(", `    ${quoted(method)},`, `    ${quoted(url)},`);
  const fields = headers.map(({ name, value }) => `        ${quoted(name)}: ${quoted(value)},`);
  if (keyHeader !== null) fields.unshift(`        ${quoted(keyHeader)}: os.environ["${KEY_VARIABLE}"],`);
  if (fields.length > 0) lines.push("    headers={", ...fields, "    },");
  if (fileName !== null) lines.push(`    data=open(${quoted(fileName)}, "rb"),`);
  else if (body !== "") lines.push(`    data=${quoted(body)}.encode(),`);
  lines.push("    allow_redirects=False,", ")", "print(response.status_code, response.reason)", "print(response.text)");
  return lines.join("\n");
}
