# cmd: layer conv2d h=4 w=4 c=3 o=4 groups=2; "$QJIT" layer dense kh=3; "$QJIT" layer pool; "$QJIT" layer depthwise in=NHCW; "$QJIT" layer dense m=1 k=2 m=3; "$QJIT" layer conv2d kh=5 k=3; "$QJIT" layer dense m
# expect
error: groups divide the channels of input and output [usage]
  hint: change the settings that contradict each other
error: dense takes no kh= [usage]
  hint: `qjit layer dense` lists the settings
error: `pool`: the kinds of layers are conv2d, depthwise, dense and batched [usage]
  hint: `qjit layer conv2d h=56 w=56 c=64 o=64 k=3 pad=1`; `qjit layer conv2d` lists the settings
error: in=NHCW is not understood; in: layout of the input: NHWC (default), NCHW, NCHW8c ... [usage]
  hint: `qjit layer depthwise` lists the settings
error: m= is given twice [usage]
  hint: `qjit layer dense` lists the settings
error: k= would undo the kh= before it: give k= first [usage]
  hint: `qjit layer conv2d` lists the settings
error: `m` is no KEY=VALUE [usage]
  hint: `qjit layer dense` lists the settings
exit 2
