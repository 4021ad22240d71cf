// A person in a real browser: opens the consent page, looks at it, and presses a button.
// consent.mjs URL allow|deny WIDTH SCREENSHOT prints the address that the browser ends on, and what
// the page's console complained of.
import { chromium } from "playwright-core";

const [url, decision, width, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: Number(width), height: 800 } });
const complaints = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(url);
await page.screenshot({ path: `${screenshot}-asked.png` });
const button = page.getByRole("button", { name: decision === "allow" ? "Allow" : "Deny", exact: true });
await button.focus();
await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
await page.screenshot({ path: `${screenshot}-answered.png` });
console.log(JSON.stringify({ url: page.url(), title: await page.title(), scrolls: await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), complaints }));
await browser.close();
