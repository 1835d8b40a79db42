/* SPDX-License-Identifier: MIT */
/* farm.js - the page: a card for each guest, one stream that tells of all, and buttons that ask. */
"use strict";

const guests = new Map();	/* by name */
let server = "";		/* the run of the server that we know */
let stream = null;

const $ = id => document.getElementById(id);

function trouble(words) {
	$("trouble").textContent = words;
}

/* Ask the server to do something. What it says when it does not, is shown. */
async function ask(url, body) {
	let answer;

	try {
		answer = await fetch(url, { method: "POST", body: body === undefined ? "" : body });
	} catch (e) {
		trouble("the server does not answer");
		return null;
	}
	if (answer.status === 401 && url !== "/login")
		needLogin();
	trouble(answer.ok ? "" : (await answer.text()).trim());
	return answer.ok ? answer.json() : null;
}

/* ---- one guest ---- */

class Guest {
	constructor(name) {
		const card = $("guest").content.cloneNode(true).firstElementChild;

		this.name = name;
		this.card = card;
		this.url = "/api/guests/" + name;
		this.before = null;
		this.at = 0;		/* of the console: what was shown */
		this.backlog = [];	/* of a console that is not open yet */
		this.typed = [];
		card.dataset.name = name;
		card.querySelector(".name").textContent = name;
		for (const button of card.querySelectorAll("button"))
			button.onclick = () => ask(this.url + "/" + button.dataset.action);
		card.querySelector(".record").href = this.url + "/crash-record";
		this.makePlots(card.querySelector(".plots"));
		card.querySelector("details").ontoggle = e => { if (e.target.open) this.openConsole(); };
		card.querySelector("details").open = guests.size < 8;
		$("guests").append(card);
	}

	makePlots(place) {
		const rate = v => bytes(v) + "/s";

		this.plots = {
			cpu: new Plot("CPU", [""], v => v.toFixed(1) + " %", 5),
			memory: new Plot("Memory", [""], bytes, 1 << 20),
			disk: new Plot("Disk", ["r", "w"], rate, 1024),
			net: new Plot("Network", ["in", "out"], rate, 1024),
		};
		place.append(...Object.values(this.plots).map(p => p.element));
	}

	/* Counters become rates: what was added since the last time. */
	show(now) {
		const before = this.before;
		const seconds = before ? (now.time_ns - before.time_ns) / 1e9 : 0;
		const rate = key => Math.max(0, (now[key] - before[key]) / seconds);
		const can = {
			pause: now.state === "running", resume: now.state === "paused",
			stop: now.state === "running" || now.state === "paused",
			crash: now.state === "running" || now.state === "paused",
			restart: true,
		};

		this.card.dataset.state = now.state;
		this.card.querySelector(".state").textContent = now.state;
		this.card.querySelector(".last").textContent = now.last +
			(now.restarts ? ` (restarted ${now.restarts} times)` : "");
		this.card.querySelector(".record").hidden = !now.crash_record;
		for (const button of this.card.querySelectorAll("button"))
			button.disabled = !can[button.dataset.action];
		if (!before || seconds > 0.5) {
			if (before) {
				this.plots.cpu.add([100 * rate("cpu_ns") / 1e9]);
				this.plots.memory.add([now.memory]);
				this.plots.disk.add([rate("disk_read"), rate("disk_written")]);
				this.plots.net.add([rate("net_in"), rate("net_out")]);
			}
			this.before = now;
		}
	}

	/* ---- its console ---- */

	openConsole() {
		if (this.terminal)
			return;
		this.terminal = new Terminal({ cols: 80, rows: 14, fontSize: 12, scrollback: 2000, convertEol: true });
		this.terminal.open(this.card.querySelector(".console"));
		/* (the terminal's version 3 has on(), later ones onData()) */
		if (this.terminal.onData)
			this.terminal.onData(text => this.type(text));
		else
			this.terminal.on("data", text => this.type(text));
		for (const text of this.backlog)
			this.terminal.write(text);
		this.backlog = [];
	}

	print(at, data) {
		const octets = Uint8Array.from(atob(data), c => c.charCodeAt(0));
		const end = at + octets.length;

		if (end <= this.at)
			return;		/* seen before the stream was lost */
		if (at > this.at && this.at > 0)
			this.write(`\r\n[${at - this.at} bytes were not shown]\r\n`);
		this.decoder = this.decoder || new TextDecoder();
		this.write(this.decoder.decode(octets.subarray(Math.max(0, this.at - at)), { stream: true }));
		this.at = end;
	}

	write(text) {
		if (this.terminal)
			this.terminal.write(text);
		else if (this.backlog.push(text) > 200)
			this.backlog.shift();
	}

	forget() {
		this.at = 0;
		this.before = null;
		if (this.terminal)
			this.terminal.reset();
	}

	/* One request at a time, so that what was typed arrives in its order. */
	async type(text) {
		this.typed.push(...new TextEncoder().encode(text));
		if (this.typing)
			return;
		this.typing = true;
		while (this.typed.length > 0) {
			const answer = await ask(this.url + "/console", new Uint8Array(this.typed.slice(0, 1024)));

			if (!answer)
				this.typed = [];
			else if (answer.taken === 0)
				await new Promise(done => setTimeout(done, 100));
			else
				this.typed.splice(0, answer.taken);
		}
		this.typing = false;
	}
}

/* ---- all of them ---- */

function showAll(all) {
	let running = 0;

	if (server && server !== all.id)
		guests.forEach(g => g.forget());
	server = all.id;
	for (const now of all.guests) {
		if (!guests.has(now.name))
			guests.set(now.name, new Guest(now.name));
		guests.get(now.name).show(now);
		running += now.state === "running";
	}
	$("summary").textContent = `${all.guests.length} guests, ${running} running`;
}

function look() {
	$("login").hidden = true;
	stream = new EventSource("/api/stream");
	stream.addEventListener("state", e => {
		trouble("");
		showAll(JSON.parse(e.data));
	});
	stream.addEventListener("console", e => {
		const output = JSON.parse(e.data), g = guests.get(output.guest);

		if (g)
			g.print(output.at, output.data);
	});
	stream.onerror = async () => {
		trouble("the server does not answer");
		/* A browser does not tell why: a server that was started again has a new token. */
		if (stream.readyState === EventSource.CLOSED)
			setTimeout(begin, 2000);
	};
}

function needLogin() {
	if (stream)
		stream.close();
	$("login").hidden = false;
	$("token").focus();
}

async function login(token) {
	return await ask("/login", token) !== null;
}

/* The token may stand behind the # of the address, which a browser tells nobody. */
async function begin() {
	const token = location.hash.slice(1);

	if (token) {
		history.replaceState(null, "", "/");
		await login(token);
	}
	try {
		const answer = await fetch("/api/guests");

		if (answer.status === 401)
			needLogin();
		else if (answer.ok)
			look();
		else
			trouble((await answer.text()).trim());
	} catch (e) {
		trouble("the server does not answer");
		setTimeout(begin, 2000);
	}
}

$("login").onsubmit = async e => {
	e.preventDefault();
	if (await login($("token").value.trim())) {
		$("token").value = "";
		begin();
	}
};
begin();
