// A visitor of hosted connect in a real browser, by keyboard.
// visitor.mjs WIDTH SCREENSHOTS STEPS, where STEPS is a JSON array of {"open": URL, "until": TITLE}, the title being where
// redirects end, {"fill": {NAME: VALUE}} and {"press": NAME OF A BUTTON OR LINK}. Prints, for every page that was seen: its address and title, whether it is
// cut off, and what axe-core finds wrong; and what the console complained of, but for the status of the page itself.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [width, screenshots, steps] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: Number(width), height: 800 } });
const complaints = [];
page.on("console", (message) => {
  const ownStatus = message.text().startsWith("Failed to load resource") && message.location().url === page.url();
  if (message.type() === "error" && !ownStatus) complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));

const pages = [];
const look = async () => {
  await page.screenshot({ path: `${screenshots}-${pages.length}.png`, fullPage: true });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  pages.push({
    url: page.url(),
    title: await page.title(),
    scrolls: await page.evaluate(() => document.documentElement.scrollWidth > innerWidth),
    violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`),
  });
};

for (const { open, until, fill, press } of JSON.parse(steps)) {
  if (open) await page.goto(open);
  if (until) await page.waitForFunction((title) => document.title.startsWith(title), until);
  for (const [name, value] of Object.entries(fill ?? {})) {
    await page.locator(`[name="${name}"]`).focus();
    await page.keyboard.press("Control+A");
    await page.keyboard.type(value);
  }
  if (press) {
    const target = page.getByRole("button", { name: press, exact: true }).or(page.getByRole("link", { name: press, exact: true }));
    await target.focus();
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  }
  if (open || press) await look();
}
console.log(JSON.stringify({ pages, complaints }));
await browser.close();
