/** Stands for NiiVue's reader of Zarr, which fetches volumes from elsewhere: here nothing does. */
export {};
