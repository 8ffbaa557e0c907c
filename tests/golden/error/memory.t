# cmd: run - --memory 1M
# has: [out-of-memory]
# has: exit 5
# has: limit of 1048576 bytes
input A[m:2] : u8
T0[m] : u8 = A[m] + 1
T1[m] : u8 = T0[m] + 1
T2[m] : u8 = T1[m] + 1
T3[m] : u8 = T2[m] + 1
T4[m] : u8 = T3[m] + 1
T5[m] : u8 = T4[m] + 1
T6[m] : u8 = T5[m] + 1
T7[m] : u8 = T6[m] + 1
T8[m] : u8 = T7[m] + 1
T9[m] : u8 = T8[m] + 1
T10[m] : u8 = T9[m] + 1
T11[m] : u8 = T10[m] + 1
T12[m] : u8 = T11[m] + 1
T13[m] : u8 = T12[m] + 1
T14[m] : u8 = T13[m] + 1
T15[m] : u8 = T14[m] + 1
T16[m] : u8 = T15[m] + 1
T17[m] : u8 = T16[m] + 1
T18[m] : u8 = T17[m] + 1
T19[m] : u8 = T18[m] + 1
T20[m] : u8 = T19[m] + 1
T21[m] : u8 = T20[m] + 1
T22[m] : u8 = T21[m] + 1
T23[m] : u8 = T22[m] + 1
T24[m] : u8 = T23[m] + 1
T25[m] : u8 = T24[m] + 1
T26[m] : u8 = T25[m] + 1
T27[m] : u8 = T26[m] + 1
T28[m] : u8 = T27[m] + 1
T29[m] : u8 = T28[m] + 1
T30[m] : u8 = T29[m] + 1
T31[m] : u8 = T30[m] + 1
T32[m] : u8 = T31[m] + 1
T33[m] : u8 = T32[m] + 1
T34[m] : u8 = T33[m] + 1
T35[m] : u8 = T34[m] + 1
T36[m] : u8 = T35[m] + 1
T37[m] : u8 = T36[m] + 1
T38[m] : u8 = T37[m] + 1
T39[m] : u8 = T38[m] + 1
T40[m] : u8 = T39[m] + 1
T41[m] : u8 = T40[m] + 1
T42[m] : u8 = T41[m] + 1
T43[m] : u8 = T42[m] + 1
T44[m] : u8 = T43[m] + 1
T45[m] : u8 = T44[m] + 1
T46[m] : u8 = T45[m] + 1
T47[m] : u8 = T46[m] + 1
T48[m] : u8 = T47[m] + 1
T49[m] : u8 = T48[m] + 1
T50[m] : u8 = T49[m] + 1
T51[m] : u8 = T50[m] + 1
T52[m] : u8 = T51[m] + 1
T53[m] : u8 = T52[m] + 1
T54[m] : u8 = T53[m] + 1
T55[m] : u8 = T54[m] + 1
T56[m] : u8 = T55[m] + 1
T57[m] : u8 = T56[m] + 1
T58[m] : u8 = T57[m] + 1
T59[m] : u8 = T58[m] + 1
unroll T0.m
unroll T1.m
unroll T2.m
unroll T3.m
unroll T4.m
unroll T5.m
unroll T6.m
unroll T7.m
unroll T8.m
unroll T9.m
unroll T10.m
unroll T11.m
unroll T12.m
unroll T13.m
unroll T14.m
unroll T15.m
unroll T16.m
unroll T17.m
unroll T18.m
unroll T19.m
unroll T20.m
unroll T21.m
unroll T22.m
unroll T23.m
unroll T24.m
unroll T25.m
unroll T26.m
unroll T27.m
unroll T28.m
unroll T29.m
unroll T30.m
unroll T31.m
unroll T32.m
unroll T33.m
unroll T34.m
unroll T35.m
unroll T36.m
unroll T37.m
unroll T38.m
unroll T39.m
unroll T40.m
unroll T41.m
unroll T42.m
unroll T43.m
unroll T44.m
unroll T45.m
unroll T46.m
unroll T47.m
unroll T48.m
unroll T49.m
unroll T50.m
unroll T51.m
unroll T52.m
unroll T53.m
unroll T54.m
unroll T55.m
unroll T56.m
unroll T57.m
unroll T58.m
unroll T59.m
