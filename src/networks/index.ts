export { type SegResNet3DOptions, segResNet3d } from "./segresnet3d.ts";
export { comparesSides, networkOfStudy } from "./study-network.ts";
export { type UNet3DOptions, unet3d } from "./unet3d.ts";
