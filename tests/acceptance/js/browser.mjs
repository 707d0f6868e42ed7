// Bundles ../browser/page.jsx, serves it from a port of its own, and uses it in headless Chromium
// as a person does. Arguments: the server's address, the page's port, the browser ("": the one from
// npm, which brings its libraries), where to put a screenshot. Prints one JSON line: what the page
// showed at the pause and at the end.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [, , apiUrl, port, installed, screenshot] = process.argv;
const source = new URL("../browser/", import.meta.url);

const { outputFiles } = await build({
  entryPoints: [new URL("page.jsx", source).pathname],
  nodePaths: [new URL("node_modules", import.meta.url).pathname],
  bundle: true,
  write: false,
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
});
const html = await readFile(new URL("index.html", source));
const files = { "/": ["text/html", html], "/page.js": ["text/javascript", outputFiles[0].text] };

const pages = createServer((request, response) => {
  const file = files[request.url.split("?")[0]];
  response.writeHead(file ? 200 : 404, { "content-type": file?.[0] ?? "text/plain" });
  response.end(file?.[1]);
});
await new Promise((resolve) => pages.listen(Number(port), "127.0.0.1", resolve));

async function packaged() {
  process.env.AWS_EXECUTION_ENV ??= "AWS_Lambda_nodejs22.x"; // then it unpacks its libraries, too
  const { default: bundle } = await import("@sparticuz/chromium");
  return bundle.executablePath();
}

const browser = await chromium.launch({
  executablePath: installed || (await packaged()),
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const problems = [];
try {
  const page = await browser.newPage({ viewport: { width: 720, height: 480 } });
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => {
    const harmless = message.location().url.endsWith("/favicon.ico");
    if (message.type() === "error" && !harmless) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  const text = (id) => page.locator(`#${id}`).textContent();
  await page.goto(`http://127.0.0.1:${port}/?api=${encodeURIComponent(apiUrl)}`);
  await page.click("#start");
  try {
    await page.waitForSelector("#approve");
    await page.locator("#working", { hasText: "no" }).waitFor();
  } catch (error) {
    throw new Error(`${error}\nerror on the page: ${await text("error")}\n${problems.join("\n")}`);
  }
  const paused = { question: await text("question"), draft: await text("draft"), log: await text("log") };
  await page.screenshot({ path: screenshot });
  await page.click("#approve");
  await page.locator("#log", { hasText: "publish" }).waitFor();
  await page.locator("#working", { hasText: "no" }).waitFor();
  const waiting = await page.locator("#interrupt").count();
  const done = { log: await text("log"), error: await text("error"), waiting };
  console.log(JSON.stringify({ paused, done, problems }));
} finally {
  await browser.close();
  pages.close();
}
