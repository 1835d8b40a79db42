/* SPDX-License-Identifier: MIT */
/* plots.js - small plots of the last two minutes, drawn on a canvas. */
"use strict";

const KEPT = 120;

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;

	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/* One plot with a line for each of @names; @format makes words of a value; @top is its least height. */
class Plot {
	constructor(title, names, format, top) {
		this.names = names;
		this.format = format;
		this.top = top;
		this.values = [];
		this.element = document.createElement("div");
		this.element.className = "plot";
		this.title = document.createElement("div");
		this.title.textContent = title;
		this.canvas = document.createElement("canvas");
		this.canvas.setAttribute("role", "img");
		this.words = document.createElement("div");
		this.words.className = "value";
		this.element.append(this.title, this.canvas, this.words);
	}

	add(values) {
		this.values.push(values);
		if (this.values.length > KEPT)
			this.values.shift();
		this.words.textContent = values.map((v, i) => (this.names[i] + " " + this.format(v)).trim()).join("  ");
		this.canvas.setAttribute("aria-label", this.title.textContent + ": " + this.words.textContent);
		this.draw();
	}

	draw() {
		const scale = window.devicePixelRatio || 1;
		const w = Math.max(1, Math.round(this.canvas.clientWidth * scale));
		const h = Math.max(1, Math.round(this.canvas.clientHeight * scale));
		const g = this.canvas.getContext("2d");
		const style = getComputedStyle(document.documentElement);
		const top = Math.max(this.top, ...this.values.flat()) * 1.1;

		if (this.canvas.width !== w || this.canvas.height !== h) {
			this.canvas.width = w;
			this.canvas.height = h;
		}
		g.clearRect(0, 0, w, h);
		g.lineWidth = 1.5 * scale;
		this.names.forEach((_, line) => {
			g.strokeStyle = style.getPropertyValue(line ? "--ink2" : "--ink").trim();
			g.beginPath();
			this.values.forEach((v, i) => {
				const x = w - (this.values.length - 1 - i) * w / (KEPT - 1);
				const y = h - 1 - (h - 2) * v[line] / top;

				i ? g.lineTo(x, y) : g.moveTo(x, y);
			});
			g.stroke();
		});
	}
}
